//! Part of `build.rs`: writes an `impl Validate` for every message of the contract, from its `buf.validate` rules. A
//! rule that it does not know is an error, wherever it stands.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt::Write as _,
};

use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor,
    ReflectMessage as _, Value,
};

/// What the packages of the contract start with.
const CONTRACT: &str = "countersign.";
/// Where rules come from; it uses some itself.
const RULES: &str = "buf.validate";
const FIELD_RULES: &str = "buf.validate.field";
const DESCRIPTIONS: &str = "countersign.v1.pattern_descriptions";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Rust for the rules of all messages.
///
/// # Errors
/// A rule is not known, or a pattern is not described.
pub(crate) fn validators(pool: &DescriptorPool) -> Result<String> {
    check_places(pool)?;
    let mut rules = Rules {
        code: String::new(),
        descriptions: descriptions(pool),
        used: BTreeSet::new(),
    };
    let messages = pool.all_messages();
    for message in messages.filter(is_ours) {
        rules.message(&message)?;
    }
    Ok(rules.code)
}

fn is_ours(message: &MessageDescriptor) -> bool {
    message.package_name().starts_with(CONTRACT)
}

/// The module of a package of the contract, in `crate::pb`.
fn module(package: &str) -> String {
    package
        .strip_prefix(CONTRACT)
        .unwrap_or(package)
        .replace('.', "::")
}

/// Rules count only on fields of our own messages: anywhere else nobody would look at them.
fn check_places(pool: &DescriptorPool) -> Result<()> {
    for file in pool.files().filter(|file| file.package_name() != RULES) {
        check_options(file.name(), &file.options(), &[])?;
        for extension in file.extensions() {
            check_options(extension.full_name(), &extension.options(), &[])?;
        }
    }
    for message in pool.all_messages().filter(|m| m.package_name() != RULES) {
        let is_ours = is_ours(&message);
        let known: &[&str] = if is_ours { &[FIELD_RULES] } else { &[] };
        check_options(message.full_name(), &message.options(), &[])?;
        for oneof in message.oneofs() {
            check_options(oneof.full_name(), &oneof.options(), &[])?;
        }
        for field in message.fields() {
            check_options(field.full_name(), &field.options(), known)?;
            if is_ours && field.is_map() {
                return Err(format!("{}: maps have no rules yet", field.full_name()).into());
            }
        }
        for extension in message.child_extensions() {
            check_options(extension.full_name(), &extension.options(), &[])?;
        }
    }
    for kind in pool.all_enums().filter(|kind| kind.package_name() != RULES) {
        check_options(kind.full_name(), &kind.options(), &[])?;
        for value in kind.values() {
            check_options(value.full_name(), &value.options(), &[])?;
        }
    }
    for service in pool.services() {
        check_options(service.full_name(), &service.options(), &[])?;
        for rpc in service.methods() {
            check_options(rpc.full_name(), &rpc.options(), &[])?;
        }
    }
    Ok(())
}

fn check_options(place: &str, options: &DynamicMessage, known: &[&str]) -> Result<()> {
    for (extension, value) in options.extensions() {
        let name = extension.full_name();
        if name.starts_with(RULES) && !known.contains(&name) {
            let rule = value.as_message().and_then(|rules| rules.fields().next());
            let rule = rule.map_or(String::new(), |(rule, _)| format!(".{}", rule.name()));
            return Err(unknown(place, &format!("{name}{rule}")));
        }
    }
    Ok(())
}

fn unknown(place: &str, rule: &str) -> Box<dyn Error> {
    format!("{place}: unknown rule {rule}").into()
}

/// The patterns of the contract, each with its description.
fn descriptions(pool: &DescriptorPool) -> BTreeMap<String, String> {
    let files = pool.files().map(|file| file.options());
    let lists = files.flat_map(|options| {
        let found = options
            .extensions()
            .find(|(e, _)| e.full_name() == DESCRIPTIONS);
        found.map(|(_, value)| value.clone())
    });
    lists
        .filter_map(|list| list.as_list().map(<[Value]>::to_vec))
        .flatten()
        .filter_map(|form| {
            let form = form.as_message()?;
            let text = |name| Some(form.get_field_by_name(name)?.as_str()?.to_owned());
            Some((text("pattern")?, text("description")?))
        })
        .collect()
}

struct Rules {
    code: String,
    descriptions: BTreeMap<String, String>,
    used: BTreeSet<String>,
}

impl Rules {
    fn message(&mut self, message: &MessageDescriptor) -> Result<()> {
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
            "impl Validate for super::{module}::{name} {{\n    fn validate(&self, {at}: &Path<'_>, {found}: &mut Vec<FieldViolation>) {{\n{body}    }}\n}}",
            module = module(message.package_name()),
            name = message.name(),
        )?;
        Ok(())
    }

    fn field(&mut self, field: &FieldDescriptor, body: &mut String) -> Result<()> {
        let name = field.name();
        let mut rules = field_rules(field)?;
        let required = rules
            .iter()
            .any(|(rule, value)| rule == "required" && value.as_bool() == Some(true));
        rules.retain(|(rule, _)| rule != "required");
        let is_list = field.cardinality() == Cardinality::Repeated;
        match field.kind() {
            Kind::Message(message) if is_ours(&message) && !is_list => writeln!(
                body,
                "        nested(self.{name}.as_ref(), &at.field({name:?}), {required}, found);"
            )?,
            _ if required => return Err(unknown(field.full_name(), "required")),
            Kind::Message(message) if is_ours(&message) => writeln!(
                body,
                "        nested_list(&self.{name}, &at.field({name:?}), found);"
            )?,
            _ => {}
        }
        for (kind, value) in rules {
            let place = format!("&at.field({name:?})");
            let check = match (kind.as_str(), value.as_message()) {
                ("string", Some(rules)) => {
                    let rule = self.string(field, rules)?;
                    format!("string(&self.{name}, {place}, &{rule}, found);")
                }
                ("enum", Some(rules)) => enumeration(field, rules, &place)?,
                ("int32", Some(rules)) => integer(field, rules, &place)?,
                ("duration", Some(rules)) => duration(field, rules, &place)?,
                ("field_mask", Some(rules)) => mask(field, rules, &place)?,
                ("repeated", Some(rules)) => self.repeated(field, rules, &place)?,
                _ => return Err(unknown(field.full_name(), &kind)),
            };
            writeln!(body, "        {check}")?;
        }
        Ok(())
    }

    fn string(&mut self, field: &FieldDescriptor, rules: &DynamicMessage) -> Result<String> {
        let mut limits = BTreeMap::from(
            ["min_len", "max_len", "max_bytes", "pattern", "r#in"]
                .map(|rule| (rule, "None".to_owned())),
        );
        for (rule, value) in set_fields(field, rules)? {
            let literal = match (rule.as_str(), value) {
                ("pattern", Value::String(pattern)) => {
                    format!("Some(&{})", self.pattern(field, pattern)?)
                }
                ("in", Value::List(values)) => format!("Some(&[{}])", texts(&values)),
                (_, Value::U64(limit)) => format!("Some({limit})"),
                _ => String::new(),
            };
            let member = if rule == "in" { "r#in" } else { &*rule };
            match limits.get_mut(member) {
                Some(limit) if !literal.is_empty() => *limit = literal,
                _ => return Err(unknown(field.full_name(), &format!("string.{rule}"))),
            }
        }
        let members: Vec<_> = limits
            .iter()
            .map(|(rule, limit)| format!("{rule}: {limit}"))
            .collect();
        Ok(format!("StringRule {{ {} }}", members.join(", ")))
    }

    /// The name of a pattern, which is written down at its first use.
    fn pattern(&mut self, field: &FieldDescriptor, pattern: String) -> Result<String> {
        let Some(index) = self.descriptions.keys().position(|known| *known == pattern) else {
            let place = field.full_name();
            return Err(format!("{place}: {DESCRIPTIONS} does not describe {pattern}").into());
        };
        let name = format!("PATTERN_{index}");
        if !self.used.contains(&pattern) {
            let description = &self.descriptions[&pattern];
            writeln!(
                self.code,
                "static {name}: Pattern = pattern!({pattern:?}, {description:?});"
            )?;
            self.used.insert(pattern);
        }
        Ok(name)
    }

    fn repeated(
        &mut self,
        field: &FieldDescriptor,
        rules: &DynamicMessage,
        place: &str,
    ) -> Result<String> {
        let name = field.name();
        let mut max = String::from("usize::MAX");
        let mut item = String::from(
            "StringRule { max_bytes: None, max_len: None, min_len: None, pattern: None, r#in: None }",
        );
        for (rule, value) in set_fields(field, rules)? {
            match (rule.as_str(), &value) {
                ("max_items", Value::U64(limit)) => max = limit.to_string(),
                ("items", Value::Message(items)) => {
                    for (kind, value) in set_fields(field, items)? {
                        let (true, Some(value)) = (kind == "string", value.as_message()) else {
                            let rule = format!("repeated.items.{kind}");
                            return Err(unknown(field.full_name(), &rule));
                        };
                        item = self.string(field, value)?;
                    }
                }
                _ => return Err(unknown(field.full_name(), &format!("repeated.{rule}"))),
            }
        }
        Ok(format!(
            "strings(&self.{name}, {place}, {max}, &{item}, found);"
        ))
    }
}

fn enumeration(field: &FieldDescriptor, rules: &DynamicMessage, place: &str) -> Result<String> {
    let Kind::Enum(kind) = field.kind() else {
        return Err(format!("{}: an enum rule on another type", field.full_name()).into());
    };
    let name = field.name();
    let mut checks = String::new();
    for (rule, value) in set_fields(field, rules)? {
        match (rule.as_str(), value) {
            ("defined_only", Value::Bool(true)) => {
                let values: Vec<_> = kind.values().collect();
                let names: Vec<_> = values.iter().map(|value| value.name()).collect();
                write!(
                    checks,
                    "defined(super::{}::{}::try_from(self.{name}).is_ok(), &{names:?}, {place}, found);",
                    module(kind.package_name()),
                    kind.name(),
                )?;
            }
            ("not_in", Value::List(values)) => {
                let numbers = values.iter().filter_map(Value::as_i32);
                let refused: Vec<_> = numbers
                    .filter_map(|number| kind.get_value(number))
                    .map(|value| (value.number(), value.name().to_owned()))
                    .collect();
                write!(checks, "not_in(self.{name}, &{refused:?}, {place}, found);")?;
            }
            _ => return Err(unknown(field.full_name(), &format!("enum.{rule}"))),
        }
    }
    Ok(checks)
}

fn integer(field: &FieldDescriptor, rules: &DynamicMessage, place: &str) -> Result<String> {
    let mut checks = String::new();
    for (rule, value) in set_fields(field, rules)? {
        let (true, Value::I32(least)) = (rule == "gte", value) else {
            return Err(unknown(field.full_name(), &format!("int32.{rule}")));
        };
        let name = field.name();
        write!(checks, "at_least(self.{name}, {least}, {place}, found);")?;
    }
    Ok(checks)
}

/// Both ends, in whole seconds.
fn duration(field: &FieldDescriptor, rules: &DynamicMessage, place: &str) -> Result<String> {
    let rules = set_fields(field, rules)?;
    let seconds = |value: &Value| {
        let duration = value.as_message()?;
        let part = |name| Some(duration.get_field_by_name(name)?.into_owned());
        (part("nanos")?.as_i32() == Some(0)).then_some(part("seconds")?.as_i64())?
    };
    let ends = |name| rules.iter().find(|(rule, _)| rule == name);
    match (rules.len(), ends("gte"), ends("lte")) {
        (2, Some((_, least)), Some((_, most))) => match (seconds(least), seconds(most)) {
            (Some(least), Some(most)) => Ok(format!(
                "within(self.{}.as_ref(), {least}, {most}, {place}, found);",
                field.name()
            )),
            _ => Err(unknown(field.full_name(), "duration in parts of seconds")),
        },
        _ => {
            let known = ["gte", "lte"];
            let other = rules.iter().find(|(rule, _)| !known.contains(&&**rule));
            let rule = other.map_or("gte without lte", |(rule, _)| rule);
            Err(unknown(field.full_name(), &format!("duration.{rule}")))
        }
    }
}

fn mask(field: &FieldDescriptor, rules: &DynamicMessage, place: &str) -> Result<String> {
    let mut checks = String::new();
    for (rule, value) in set_fields(field, rules)? {
        let (true, Value::List(paths)) = (rule == "in", value) else {
            return Err(unknown(field.full_name(), &format!("field_mask.{rule}")));
        };
        let (name, paths) = (field.name(), texts(&paths));
        write!(
            checks,
            "names_only(self.{name}.as_ref(), &[{paths}], {place}, found);"
        )?;
    }
    Ok(checks)
}

/// The members of a Rust array of text.
fn texts(values: &[Value]) -> String {
    let texts: Vec<_> = values
        .iter()
        .filter_map(Value::as_str)
        .map(|text| format!("{text:?}"))
        .collect();
    texts.join(", ")
}

fn field_rules(field: &FieldDescriptor) -> Result<Vec<(String, Value)>> {
    let options = field.options();
    let rules = options
        .extensions()
        .find(|(extension, _)| extension.full_name() == FIELD_RULES);
    match rules {
        Some((_, value)) => match value.as_message() {
            Some(rules) => set_fields(field, rules),
            None => Err(unknown(field.full_name(), FIELD_RULES)),
        },
        None => Ok(Vec::new()),
    }
}

/// The rules that are set; predefined ones are extensions, and those of a newer `buf.validate` are not known at all.
fn set_fields(field: &FieldDescriptor, rules: &DynamicMessage) -> Result<Vec<(String, Value)>> {
    if let Some((extension, _)) = rules.extensions().next() {
        return Err(unknown(field.full_name(), extension.full_name()));
    }
    if let Some(other) = rules.unknown_fields().next() {
        let number = other.number();
        let rules = rules.descriptor();
        let rule = format!("{number} of {}", rules.full_name());
        return Err(unknown(field.full_name(), &rule));
    }
    Ok(rules
        .fields()
        .map(|(field, value)| (field.name().to_owned(), value.clone()))
        .collect())
}

#[cfg(test)]
#[path = "generate/tests.rs"]
mod tests;
