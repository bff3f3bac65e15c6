//! Part of `build.rs`: writes one method for each message of the hosted pages, with the variables of the message as its
//! arguments. A language that lacks a message, has one too many or uses other variables is an error, as is all of
//! Fluent that no message needs yet.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fmt::Write as _,
};

use fluent_syntax::{
    ast::{Entry, Expression, InlineExpression, Message, Pattern, PatternElement},
    parser,
};

/// The language whose messages every other one has; requests that ask for none that is there get it.
const REFERENCE: &str = "en";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What a variable stands for: text, or a number that decides between forms of the plural.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Kind {
    Text,
    Number,
}

/// The variables of each message.
type Messages = BTreeMap<String, BTreeMap<String, Kind>>;

/// Rust for the messages of these languages: pairs of a tag and the text of its file.
///
/// # Errors
/// The languages do not have the same messages.
pub(crate) fn messages(languages: &BTreeMap<String, String>) -> Result<String> {
    let mut parsed = BTreeMap::new();
    for (tag, text) in languages {
        let messages = parse(text).map_err(|cause| format!("{tag}.ftl: {cause}"))?;
        parsed.insert(tag.as_str(), messages);
    }
    let mut reference = parsed
        .remove(REFERENCE)
        .ok_or_else(|| format!("there is no {REFERENCE}.ftl"))?;
    for (tag, messages) in &parsed {
        compare(&mut reference, messages).map_err(|cause| format!("{tag}.ftl: {cause}"))?;
    }
    let others: Vec<_> = parsed.into_keys().collect();
    write(&reference, &others)
}

fn parse(text: &str) -> Result<Messages> {
    let resource = parser::parse(text).map_err(|(_, errors)| {
        let first = errors.first();
        let before = first.and_then(|error| text.get(..error.pos.start));
        let line = before.unwrap_or_default().matches('\n').count() + 1;
        let cause = first.map(ToString::to_string).unwrap_or_default();
        format!("line {line}: {cause}")
    })?;
    let mut messages = Messages::new();
    for entry in &resource.body {
        match entry {
            Entry::Message(message) => {
                let name = message.id.name;
                let variables =
                    variables_of(message).map_err(|cause| format!("`{name}`: {cause}"))?;
                if messages.insert(name.to_owned(), variables).is_some() {
                    return Err(format!("`{name}` stands there twice").into());
                }
            }
            Entry::Term(term) => return Err(unknown(&format!("the term `-{}`", term.id.name))),
            _ => {}
        }
    }
    Ok(messages)
}

fn variables_of(message: &Message<&str>) -> Result<BTreeMap<String, Kind>> {
    if !message.attributes.is_empty() {
        return Err(unknown("an attribute"));
    }
    let mut found = BTreeMap::new();
    match &message.value {
        Some(text) => pattern(text, &mut found)?,
        None => return Err("it has no text".into()),
    }
    Ok(found)
}

fn pattern(text: &Pattern<&str>, found: &mut BTreeMap<String, Kind>) -> Result<()> {
    text.elements.iter().try_for_each(|element| match element {
        PatternElement::TextElement { .. } => Ok(()),
        PatternElement::Placeable { expression: placed } => expression(placed, found),
    })
}

fn expression(placed: &Expression<&str>, found: &mut BTreeMap<String, Kind>) -> Result<()> {
    match placed {
        Expression::Inline(placed) => inline(placed, Kind::Text, found),
        Expression::Select { selector, variants } => {
            inline(selector, Kind::Number, found)?;
            variants
                .iter()
                .try_for_each(|variant| pattern(&variant.value, found))
        }
    }
}

fn inline(
    placed: &InlineExpression<&str>,
    kind: Kind,
    found: &mut BTreeMap<String, Kind>,
) -> Result<()> {
    match placed {
        InlineExpression::VariableReference { id } => {
            let known = found.entry(id.name.to_owned()).or_insert(kind);
            *known = kind.max(*known);
            Ok(())
        }
        InlineExpression::StringLiteral { .. } | InlineExpression::NumberLiteral { .. } => Ok(()),
        InlineExpression::Placeable { expression: placed } => expression(placed, found),
        InlineExpression::FunctionReference { id, .. } => Err(unknown(id.name)),
        InlineExpression::MessageReference { id, .. }
        | InlineExpression::TermReference { id, .. } => {
            Err(unknown(&format!("a reference to `{}`", id.name)))
        }
    }
}

fn unknown(what: &str) -> Box<dyn Error> {
    format!("{what} is not known here: only variables and forms of the plural are").into()
}

/// Holds a language to the messages of the reference, which learns from it what is a number.
fn compare(reference: &mut Messages, messages: &Messages) -> Result<()> {
    if let Some(name) = messages.keys().find(|name| !reference.contains_key(*name)) {
        return Err(format!("`{name}` is not in {REFERENCE}.ftl").into());
    }
    for (name, expected) in reference {
        let Some(variables) = messages.get(name) else {
            return Err(format!("it lacks `{name}`").into());
        };
        let names = |of: &BTreeMap<String, Kind>| of.keys().cloned().collect::<BTreeSet<_>>();
        if names(variables) != names(expected) {
            return Err(format!("`{name}` has not the variables that {REFERENCE}.ftl has").into());
        }
        for (known, kind) in expected.values_mut().zip(variables.values()) {
            *known = (*known).max(*kind);
        }
    }
    Ok(())
}

fn write(messages: &Messages, others: &[&str]) -> Result<String> {
    let mut code = String::new();
    let count = others.len() + 1;
    writeln!(code, "/// Each language: its tag, and its messages.")?;
    writeln!(code, "const LANGUAGES: [(&str, &str); {count}] = [")?;
    for tag in [REFERENCE].iter().chain(others) {
        let file = format!("\"/src/pages/locales/{tag}.ftl\"");
        writeln!(
            code,
            "    ({tag:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {file}))),"
        )?;
    }
    writeln!(code, "];\n\nimpl Messages {{")?;
    for (name, variables) in messages {
        let (mut arguments, mut values) = (String::new(), String::new());
        for (variable, kind) in variables {
            let argument = variable.replace('-', "_");
            let kind = match kind {
                Kind::Text => "&str",
                Kind::Number => "u64",
            };
            write!(arguments, ", {argument}: {kind}")?;
            write!(values, "({variable:?}, {argument}.into()), ")?;
        }
        let method = name.replace('-', "_");
        writeln!(code, "    /// The message `{name}`.")?;
        writeln!(
            code,
            "    pub(super) fn {method}(&self{arguments}) -> String {{"
        )?;
        writeln!(
            code,
            "        self.text({name:?}, [{}])",
            values.trim_end_matches(", ")
        )?;
        writeln!(code, "    }}")?;
    }
    writeln!(code, "}}")?;
    Ok(code)
}

#[cfg(test)]
#[path = "generate/tests.rs"]
mod tests;
