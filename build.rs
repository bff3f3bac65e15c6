//! Compiles the contract: descriptor set (for reflection, transcoding and OpenAPI), tonic services
//! and the checks of every field rule. A rule that the checks do not know fails the build, so that
//! a rule in the proto is always enforced.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value,
};

const PACKAGE: &str = "countersign.v1";
const INCLUDES: [&str; 2] = ["proto", "proto/third_party"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    let mut compiler = protox::Compiler::new(INCLUDES)?;
    compiler
        .include_source_info(true)
        .include_imports(true)
        .open_files(contract_files()?)?;
    tonic_prost_build::configure()
        .build_transport(false)
        .codec_path("crate::grpc::codec::ValidatingCodec")
        .compile_fds(compiler.file_descriptor_set())?;
    let descriptors = descriptors(&mut compiler)?;
    fs::write(out.join("countersign.binpb"), &descriptors)?;
    let pool = DescriptorPool::decode(descriptors.as_slice())?;
    fs::write(out.join("rules.rs"), Rules::generate(&pool)?)?;
    Ok(())
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
    for entry in fs::read_dir(root.join("countersign/v1"))? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "proto")
        {
            files.insert(path.strip_prefix(root)?.to_path_buf());
        }
    }
    Ok(files)
}

/// Writes `impl Validate` for every message of the contract.
struct Rules {
    code: String,
    patterns: String,
    pattern_count: usize,
}

impl Rules {
    fn generate(pool: &DescriptorPool) -> Result<String, Box<dyn Error>> {
        let mut rules = Self {
            code: String::new(),
            patterns: String::new(),
            pattern_count: 0,
        };
        for message in pool.all_messages() {
            if message.package_name() == PACKAGE {
                rules.message(&message)?;
            }
        }
        Ok(format!("{}{}", rules.patterns, rules.code))
    }

    fn message(&mut self, message: &MessageDescriptor) -> Result<(), Box<dyn Error>> {
        let mut body = String::new();
        for field in message.fields() {
            self.field(&field, &mut body)?;
        }
        let (at, found) = if body.is_empty() {
            ("_at", "_found")
        } else {
            ("at", "found")
        };
        writeln!(
            self.code,
            "impl Validate for super::v1::{name} {{\n    fn validate(&self, {at}: &Path<'_>, {found}: &mut Vec<FieldViolation>) {{\n{body}    }}\n}}",
            name = message.name(),
        )?;
        Ok(())
    }

    fn field(&mut self, field: &FieldDescriptor, body: &mut String) -> Result<(), Box<dyn Error>> {
        let name = field.name();
        let mut rules = field_rules(field);
        let required =
            take(&mut rules, "required").is_some_and(|value| value.as_bool() == Some(true));
        if let Kind::Message(message) = field.kind()
            && message.package_name() == PACKAGE
        {
            if field.cardinality() == Cardinality::Repeated {
                writeln!(
                    body,
                    "        nested_list(&self.{name}, &at.field({name:?}), found);"
                )?;
            } else {
                writeln!(
                    body,
                    "        nested(self.{name}.as_ref(), &at.field({name:?}), {required}, found);"
                )?;
            }
        } else if required {
            return Err(format!(
                "{}: `required` is only known on messages",
                field.full_name()
            )
            .into());
        }
        for (kind, value) in rules {
            let Some(value) = value.as_message() else {
                return Err(format!("{}: unknown rule {kind}", field.full_name()).into());
            };
            let place = format!("&at.field({name:?})");
            let check = match kind.as_str() {
                "string" => format!(
                    "string(&self.{name}, {place}, &{}, found);",
                    self.string(field, value)?
                ),
                "enum" => enumeration(field, value, &place)?,
                "int32" => integer(field, value, &place)?,
                "repeated" => self.repeated(field, value, &place)?,
                _ => return Err(format!("{}: unknown rule {kind}", field.full_name()).into()),
            };
            writeln!(body, "        {check}")?;
        }
        Ok(())
    }

    fn string(
        &mut self,
        field: &FieldDescriptor,
        rules: &DynamicMessage,
    ) -> Result<String, Box<dyn Error>> {
        let mut limits = BTreeMap::from(
            ["min_len", "max_len", "max_bytes", "pattern"].map(|rule| (rule, "None".to_owned())),
        );
        for (rule, value) in set_fields(rules) {
            let literal = match value {
                Value::U64(limit) => format!("Some({limit})"),
                Value::String(pattern) => format!("Some(&{})", self.pattern(&pattern)?),
                _ => String::new(),
            };
            match limits.get_mut(rule.as_str()) {
                Some(limit) if !literal.is_empty() => *limit = literal,
                _ => {
                    return Err(format!("{}: unknown rule string.{rule}", field.full_name()).into());
                }
            }
        }
        let members: Vec<_> = limits
            .iter()
            .map(|(rule, limit)| format!("{rule}: {limit}"))
            .collect();
        Ok(format!("StringRule {{ {} }}", members.join(", ")))
    }

    fn pattern(&mut self, pattern: &str) -> Result<String, Box<dyn Error>> {
        let name = format!("PATTERN_{}", self.pattern_count);
        self.pattern_count += 1;
        writeln!(
            self.patterns,
            "static {name}: Pattern = pattern!({pattern:?});"
        )?;
        Ok(name)
    }

    fn repeated(
        &mut self,
        field: &FieldDescriptor,
        rules: &DynamicMessage,
        place: &str,
    ) -> Result<String, Box<dyn Error>> {
        let name = field.name();
        let mut max = String::from("usize::MAX");
        let mut item = String::from(
            "StringRule { max_bytes: None, max_len: None, min_len: None, pattern: None }",
        );
        for (rule, value) in set_fields(rules) {
            match (rule.as_str(), &value) {
                ("max_items", Value::U64(limit)) => max = limit.to_string(),
                ("items", Value::Message(items)) => {
                    for (kind, value) in set_fields(items) {
                        let (true, Some(value)) = (kind == "string", value.as_message()) else {
                            return Err(format!(
                                "{}: unknown rule repeated.items.{kind}",
                                field.full_name()
                            )
                            .into());
                        };
                        item = self.string(field, value)?;
                    }
                }
                _ => {
                    return Err(
                        format!("{}: unknown rule repeated.{rule}", field.full_name()).into(),
                    );
                }
            }
        }
        Ok(format!(
            "strings(&self.{name}, {place}, {max}, &{item}, found);"
        ))
    }
}

fn enumeration(
    field: &FieldDescriptor,
    rules: &DynamicMessage,
    place: &str,
) -> Result<String, Box<dyn Error>> {
    let Kind::Enum(kind) = field.kind() else {
        return Err(format!("{}: an enum rule on another type", field.full_name()).into());
    };
    match set_fields(rules).as_slice() {
        [(rule, Value::Bool(true))] if rule == "defined_only" => Ok(format!(
            "defined(super::v1::{}::try_from(self.{}).is_ok(), {place}, found);",
            kind.name(),
            field.name(),
        )),
        _ => Err(format!("{}: unknown enum rule", field.full_name()).into()),
    }
}

fn integer(
    field: &FieldDescriptor,
    rules: &DynamicMessage,
    place: &str,
) -> Result<String, Box<dyn Error>> {
    match set_fields(rules).as_slice() {
        [(rule, Value::I32(least))] if rule == "gte" => Ok(format!(
            "at_least(self.{}, {least}, {place}, found);",
            field.name()
        )),
        _ => Err(format!("{}: unknown int32 rule", field.full_name()).into()),
    }
}

fn field_rules(field: &FieldDescriptor) -> Vec<(String, Value)> {
    field
        .options()
        .extensions()
        .filter(|(extension, _)| extension.full_name() == "buf.validate.field")
        .filter_map(|(_, value)| value.as_message().map(set_fields))
        .flatten()
        .collect()
}

fn set_fields(message: &DynamicMessage) -> Vec<(String, Value)> {
    message
        .fields()
        .map(|(field, value)| (field.name().to_owned(), value.clone()))
        .collect()
}

fn take(rules: &mut Vec<(String, Value)>, name: &str) -> Option<Value> {
    let index = rules.iter().position(|(rule, _)| rule == name)?;
    Some(rules.remove(index).1)
}
