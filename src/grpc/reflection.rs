//! Reflection (`grpc.reflection.v1` and `v1alpha`), answered from the descriptor pool. tonic-reflection gives the
//! messages and the trait; its service is not used: it ends the stream at a name that it does not know, gives
//! a file without the files that it imports, and knows no extensions.

use std::{
    collections::HashMap,
    convert::Infallible,
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::{StreamExt as _, stream::BoxStream};
use http::{Request as HttpRequest, Response as HttpResponse, Uri};
use prost::Message as _;
use prost_reflect::{DescriptorPool, FileDescriptor};
use prost_types::FileDescriptorSet;
use tokio::sync::watch;
use tonic::{Code, Request, Response, Status, Streaming, body::Body, server::NamedService};
use tonic_reflection::pb::{
    v1::{
        self, ErrorResponse, ExtensionNumberResponse, ExtensionRequest, FileDescriptorResponse,
        ListServiceResponse, ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
        server_reflection_request::MessageRequest,
        server_reflection_response::MessageResponse,
        server_reflection_server::{ServerReflection, ServerReflectionServer},
    },
    v1alpha,
};
use tower::Service;

use super::{auth, health, status};
use crate::{
    limits::Limits,
    pb::{self, PolicyError},
};

const PATH: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const PATH_V1ALPHA: &str = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

/// What is answered: a message, or the code and text of an `error_response`.
type Found<T> = Result<T, (Code, &'static str)>;

/// Reflection under its present name.
pub(super) type V1 = ServerReflectionServer<Reflection>;

/// The services of reflection. Each question of a stream spends like a call; streams end when the sender of
/// `status` is gone.
///
/// # Errors
/// A descriptor cannot be read.
pub(super) fn services(
    limits: Arc<Limits>,
    status: watch::Receiver<health::Status>,
) -> Result<(V1, V1Alpha), PolicyError> {
    let reflection = Reflection {
        files: Arc::new(Files::new(pool()?)),
        limits,
        status,
    };
    let v1 = ServerReflectionServer::new(reflection);
    Ok((v1.clone(), V1Alpha(v1)))
}

/// The contract, and what is served beside it.
pub(super) fn pool() -> Result<DescriptorPool, PolicyError> {
    let mut pool = pb::pool()?;
    for set in [
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        // So that clients which know the contract by reflection alone can read error details too.
        tonic_types::pb::FILE_DESCRIPTOR_SET,
        v1::FILE_DESCRIPTOR_SET,
        v1alpha::FILE_DESCRIPTOR_SET,
    ] {
        for file in FileDescriptorSet::decode(set)?.file {
            if pool.get_file_by_name(file.name()).is_none() {
                pool.add_file_descriptor_proto(file)?;
            }
        }
    }
    Ok(pool)
}

#[derive(Clone)]
pub(super) struct Reflection {
    files: Arc<Files>,
    limits: Arc<Limits>,
    status: watch::Receiver<health::Status>,
}

#[tonic::async_trait]
impl ServerReflection for Reflection {
    type ServerReflectionInfoStream = BoxStream<'static, Result<ServerReflectionResponse, Status>>;

    async fn server_reflection_info(
        &self,
        request: Request<Streaming<ServerReflectionRequest>>,
    ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
        let (files, limits) = (Arc::clone(&self.files), Arc::clone(&self.limits));
        let client = auth::client_address(request.extensions());
        let answers = request
            .into_inner()
            .map(move |request| {
                let request = request?;
                limits.probe(client)?;
                Ok(files.answer(request))
            })
            .map(|answer| answer.map_err(status::of_stream))
            .take_until(health::stopped(self.status.clone()));
        Ok(Response::new(answers.boxed()))
    }
}

/// The same service under its older name, the only one that Python's client speaks: its messages are the
/// same on the wire.
#[derive(Clone)]
pub(super) struct V1Alpha(V1);

impl NamedService for V1Alpha {
    const NAME: &'static str = "grpc.reflection.v1alpha.ServerReflection";
}

impl Service<HttpRequest<Body>> for V1Alpha {
    type Response = HttpResponse<Body>;
    type Error = Infallible;
    type Future = <V1 as Service<HttpRequest<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<HttpRequest<Body>>::poll_ready(&mut self.0, context)
    }

    fn call(&mut self, mut request: HttpRequest<Body>) -> Self::Future {
        if request.uri().path() == PATH_V1ALPHA {
            *request.uri_mut() = Uri::from_static(PATH);
        }
        self.0.call(request)
    }
}

/// What there is to tell, encoded once.
struct Files {
    pool: DescriptorPool,
    /// Every file, by its index in the pool.
    encoded: Vec<Vec<u8>>,
    /// The file of every name that is defined.
    symbols: HashMap<String, FileDescriptor>,
}

impl Files {
    fn new(pool: DescriptorPool) -> Self {
        Self {
            encoded: pool.files().map(|file| file.encode_to_vec()).collect(),
            symbols: symbols(&pool),
            pool,
        }
    }

    fn answer(&self, request: ServerReflectionRequest) -> ServerReflectionResponse {
        let found = match &request.message_request {
            Some(MessageRequest::FileByFilename(name)) => self.file(name),
            Some(MessageRequest::FileContainingSymbol(name)) => self.symbol(name),
            Some(MessageRequest::FileContainingExtension(extension)) => self.extension(extension),
            Some(MessageRequest::AllExtensionNumbersOfType(name)) => self.extensions(name),
            Some(MessageRequest::ListServices(_)) => Ok(self.services()),
            None => Err((Code::InvalidArgument, "the request asks for nothing")),
        };
        let answer = found.unwrap_or_else(|(code, message)| {
            MessageResponse::ErrorResponse(ErrorResponse {
                error_code: code.into(),
                error_message: message.to_owned(),
            })
        });
        ServerReflectionResponse {
            valid_host: request.host.clone(),
            original_request: Some(request),
            message_response: Some(answer),
        }
    }

    fn file(&self, name: &str) -> Found<MessageResponse> {
        let file = self.pool.get_file_by_name(name);
        let file = file.ok_or((Code::NotFound, "there is no such file"))?;
        Ok(self.with_imports(file))
    }

    fn symbol(&self, name: &str) -> Found<MessageResponse> {
        let file = self.symbols.get(name).cloned();
        let file = file.ok_or((Code::NotFound, "there is no such symbol"))?;
        Ok(self.with_imports(file))
    }

    fn extension(&self, wanted: &ExtensionRequest) -> Found<MessageResponse> {
        let extended = self.pool.get_message_by_name(&wanted.containing_type);
        let number = u32::try_from(wanted.extension_number).ok();
        let extension = extended
            .zip(number)
            .and_then(|(it, at)| it.get_extension(at));
        let extension = extension.ok_or((Code::NotFound, "there is no such extension"))?;
        Ok(self.with_imports(extension.parent_file()))
    }

    fn extensions(&self, of: &str) -> Found<MessageResponse> {
        let extended = self.pool.get_message_by_name(of);
        let extended = extended.ok_or((Code::NotFound, "there is no such message"))?;
        let numbers = extended.extensions().map(|extension| extension.number());
        Ok(MessageResponse::AllExtensionNumbersResponse(
            ExtensionNumberResponse {
                base_type_name: of.to_owned(),
                extension_number: numbers.filter_map(|at| i32::try_from(at).ok()).collect(),
            },
        ))
    }

    fn services(&self) -> MessageResponse {
        let services = self.pool.services().map(|service| ServiceResponse {
            name: service.full_name().to_owned(),
        });
        MessageResponse::ListServicesResponse(ListServiceResponse {
            service: services.collect(),
        })
    }

    /// A file, and then all that it imports, each once: clients may build what they are given as it comes.
    fn with_imports(&self, file: FileDescriptor) -> MessageResponse {
        let (mut given, mut wanted) = (vec![false; self.encoded.len()], vec![file]);
        let mut files = Vec::new();
        while let Some(file) = wanted.pop() {
            if !mem::replace(&mut given[file.index()], true) {
                files.push(self.encoded[file.index()].clone());
                wanted.extend(file.dependencies());
            }
        }
        MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
            file_descriptor_proto: files,
        })
    }
}

/// Every name of a pool, and the file that defines it.
fn symbols(pool: &DescriptorPool) -> HashMap<String, FileDescriptor> {
    let mut symbols = HashMap::new();
    let mut define = |name: &str, file: &FileDescriptor| {
        symbols.insert(name.to_owned(), file.clone());
    };
    for service in pool.services() {
        let file = service.parent_file();
        define(service.full_name(), &file);
        service
            .methods()
            .for_each(|method| define(method.full_name(), &file));
    }
    for message in pool.all_messages() {
        let file = message.parent_file();
        define(message.full_name(), &file);
        message
            .fields()
            .for_each(|field| define(field.full_name(), &file));
        message
            .oneofs()
            .for_each(|oneof| define(oneof.full_name(), &file));
    }
    for values in pool.all_enums() {
        let file = values.parent_file();
        define(values.full_name(), &file);
        values
            .values()
            .for_each(|value| define(value.full_name(), &file));
    }
    for extension in pool.all_extensions() {
        define(extension.full_name(), &extension.parent_file());
    }
    symbols
}
