//! Compiles the part of the suite's protocol that a server needs.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    // The descriptor of descriptors is what some error details are made of.
    let files = [
        "connectrpc/conformance/v1/server.proto",
        "google/protobuf/descriptor.proto",
    ];
    let set = protox::compile(files, ["proto"])?;
    fs::write(out.join("conformance.binpb"), set.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        .codec_path("countersign::grpc::codec::ValidatingCodec")
        .compile_fds(set)?;
    Ok(())
}
