//! The codec of every rpc: protobuf, and the field rules of the contract, checked as a message is
//! decoded, so that no transport can get around them.

use std::marker::PhantomData;

use bytes::Buf as _;
use prost::Message;
use tonic::{
    Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder},
};
use tonic_prost::ProstEncoder;

use crate::{
    error::{Error, FieldReason, FieldViolation, Reason},
    pb::validate::{Path, Validate},
};

/// Protobuf with the field rules of the contract.
#[derive(Debug)]
pub struct ValidatingCodec<E, D>(PhantomData<(E, D)>);

impl<E, D> Default for ValidatingCodec<E, D> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<E, D> Codec for ValidatingCodec<E, D>
where
    E: Message + Send + 'static,
    D: Message + Default + Validate + Send + 'static,
{
    type Encode = E;
    type Decode = D;
    type Encoder = ProstEncoder<E>;
    type Decoder = ValidatingDecoder<D>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        ValidatingDecoder(PhantomData)
    }
}

fn unreadable() -> Error {
    let rule = "must be protobuf as the contract describes it";
    let violation = FieldViolation::new("message", FieldReason::InvalidFormat, rule);
    Error::new(Reason::MalformedRequest).violating(violation)
}

/// Decodes a message and refuses it when a field breaks a rule.
#[derive(Debug)]
pub struct ValidatingDecoder<D>(PhantomData<D>);

impl<D: Message + Default + Validate> Decoder for ValidatingDecoder<D> {
    type Item = D;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<D>, Status> {
        let message = D::decode(buffer.copy_to_bytes(buffer.remaining()))
            .map_err(|cause| unreadable().because(cause))?;
        let mut found = Vec::new();
        message.validate(&Path::ROOT, &mut found);
        if found.is_empty() {
            Ok(Some(message))
        } else {
            Err(Error::invalid(found).into())
        }
    }
}
