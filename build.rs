//! Compiles the contract: descriptor set (for reflection, transcoding and OpenAPI), tonic services
//! and the checks of every field rule. A rule that the checks do not know fails the build, so that
//! a rule in the proto is always enforced. So does a message of the hosted pages that a language lacks.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use prost_reflect::DescriptorPool;

/// Here, so that it is tested with the program.
#[path = "src/pb/generate.rs"]
mod generate;
#[path = "src/pages/generate.rs"]
mod generate_messages;

/// The folders of the contract's packages.
const PACKAGES: [&str; 2] = ["countersign/v1", "countersign/admin/v1"];
const INCLUDES: [&str; 2] = ["proto", "proto/third_party"];
/// One file of messages for each language.
const LOCALES: &str = "src/pages/locales";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    println!("cargo:rerun-if-changed=src/pb/generate.rs");
    println!("cargo:rerun-if-changed=src/pages/generate.rs");
    println!("cargo:rerun-if-changed={LOCALES}");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let mut compiler = protox::Compiler::new(INCLUDES)?;
    compiler
        .include_source_info(true)
        .include_imports(true)
        .open_files(contract_files()?)?;
    tonic_prost_build::configure()
        .build_transport(false)
        // RFC 7591 says all of it in JSON, under the same names.
        .message_attribute(
            "countersign.v1.ClientMetadata",
            "#[derive(::serde::Deserialize, ::serde::Serialize, ::schemars::JsonSchema)] #[serde(default)]",
        )
        .codec_path("crate::grpc::codec::ValidatingCodec")
        .compile_fds(compiler.file_descriptor_set())?;
    let descriptors = descriptors(&mut compiler)?;
    fs::write(out.join("countersign.binpb"), &descriptors)?;
    let pool = DescriptorPool::decode(descriptors.as_slice())?;
    fs::write(out.join("rules.rs"), generate::validators(&pool)?)?;
    let messages = generate_messages::messages(&locales()?)?;
    fs::write(out.join("messages.rs"), messages)?;
    Ok(())
}

/// The text of every language by its tag, which is the name of its file.
fn locales() -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let mut locales = BTreeMap::new();
    for entry in fs::read_dir(LOCALES)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(tag) = name.strip_suffix(".ftl") {
            locales.insert(tag.to_owned(), fs::read_to_string(&path)?);
        }
    }
    Ok(locales)
}

/// The contract with its comments after its imports without theirs, which are most of the size and
/// which nobody reads at run time. The encoding, unlike the typed form of the set, keeps options; and
/// one set after another is their union.
fn descriptors(compiler: &mut protox::Compiler) -> Result<Vec<u8>, Box<dyn Error>> {
    let own = contract_files()?;
    let imports = compiler
        .files()
        .map(|file| PathBuf::from(file.name()))
        .filter(|name| !own.contains(name));
    let mut descriptors = protox::Compiler::new(INCLUDES)?
        .include_imports(true)
        .open_files(imports)?
        .encode_file_descriptor_set();
    descriptors.extend(compiler.include_imports(false).encode_file_descriptor_set());
    Ok(descriptors)
}

fn contract_files() -> Result<BTreeSet<PathBuf>, Box<dyn Error>> {
    let root = Path::new("proto");
    let mut files = BTreeSet::new();
    for package in PACKAGES {
        for entry in fs::read_dir(root.join(package))? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "proto")
            {
                files.insert(path.strip_prefix(root)?.to_path_buf());
            }
        }
    }
    Ok(files)
}
