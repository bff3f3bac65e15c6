//! Path templates of `google.api.http`: `/v1/{name=accounts/*}:changePassword`.
//!
//! Segments are compared as they were sent, byte for byte: a path has one spelling. Only what a
//! variable captures is percent-decoded.

use std::borrow::Cow;

use crate::rest::percent;

/// One segment of a template. The order is that of preference: a literal beats a wildcard.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::rest) enum Segment {
    /// Exactly this text.
    Literal(String),
    /// `*`: any one segment that is not empty.
    One,
    /// `**`: all segments that are left.
    Rest,
}

/// What a variable captures.
#[derive(Clone, Debug)]
pub(in crate::rest) struct Variable {
    /// The dotted path of proto field names.
    pub(in crate::rest) field: String,
    /// The first captured segment.
    pub(in crate::rest) start: usize,
    /// The segment after the last captured one.
    pub(in crate::rest) end: usize,
}

/// Which paths a template matches, without the names of its variables.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::rest) struct Shape {
    pub(in crate::rest) segments: Vec<Segment>,
    pub(in crate::rest) verb: Option<String>,
}

/// A template, read.
#[derive(Clone, Debug)]
pub(in crate::rest) struct Template {
    pub(in crate::rest) shape: Shape,
    pub(in crate::rest) variables: Vec<Variable>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in crate::rest) fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text
            .strip_prefix('/')
            .ok_or("the path does not start with /")?;
        let (path, verb) = split_verb(text);
        let mut template = Self {
            shape: Shape {
                segments: Vec::new(),
                verb: verb.map(str::to_owned),
            },
            variables: Vec::new(),
        };
        for part in split_outside_braces(path) {
            template.part(part)?;
        }
        template.check()?;
        Ok(template)
    }

    fn part(&mut self, part: &str) -> Result<(), &'static str> {
        let Some(variable) = part.strip_prefix('{') else {
            return self.segment(part);
        };
        let variable = variable.strip_suffix('}').ok_or("a variable has no }")?;
        let (field, pattern) = variable.split_once('=').unwrap_or((variable, "*"));
        let start = self.shape.segments.len();
        for segment in pattern.split('/') {
            self.segment(segment)?;
        }
        self.variables.push(Variable {
            field: field.to_owned(),
            start,
            end: self.shape.segments.len(),
        });
        Ok(())
    }

    fn segment(&mut self, text: &str) -> Result<(), &'static str> {
        let segment = match text {
            "*" => Segment::One,
            "**" => Segment::Rest,
            "" => return Err("a segment is empty"),
            text if text.contains(['{', '}', '*', ':', '%', '?', '#']) => {
                return Err("a segment has characters that mean something else");
            }
            text => Segment::Literal(text.to_owned()),
        };
        self.shape.segments.push(segment);
        Ok(())
    }

    fn check(&self) -> Result<(), &'static str> {
        let before_last = self.shape.segments.split_last().map_or(&[][..], |(_, s)| s);
        if before_last.contains(&Segment::Rest) {
            return Err("** is not at the end");
        }
        Ok(())
    }

    /// The value of one variable; none when its percent-encoding is broken.
    pub(in crate::rest) fn capture(
        &self,
        variable: &Variable,
        path: &SplitPath<'_>,
    ) -> Option<String> {
        let open = self.shape.segments.get(variable.start..variable.end)?;
        let end = if open.contains(&Segment::Rest) {
            path.0.len()
        } else {
            variable.end
        };
        let several = open.len() > 1 || open.contains(&Segment::Rest);
        let mut value = String::new();
        for index in variable.start..end {
            if index > variable.start {
                value.push('/');
            }
            let segment = self.shape.segment(path, index)?;
            let decoded: Cow<'_, str> = if several {
                percent::decode_segments(segment)?
            } else {
                percent::decode(segment)?
            };
            value.push_str(&decoded);
        }
        Some(value)
    }
}

/// A path of a request, cut at each `/`.
#[derive(Debug)]
pub(in crate::rest) struct SplitPath<'p>(Vec<&'p str>);

impl<'p> SplitPath<'p> {
    /// Cuts a path; none when it does not start with `/`, such as `*` or an authority.
    pub(in crate::rest) fn new(path: &'p str) -> Option<Self> {
        Some(Self(path.strip_prefix('/')?.split('/').collect()))
    }
}

impl Shape {
    /// Whether this path has this shape.
    pub(in crate::rest) fn matches(&self, path: &SplitPath<'_>) -> bool {
        let length_fits = if self.segments.last() == Some(&Segment::Rest) {
            path.0.len() >= self.segments.len()
        } else {
            path.0.len() == self.segments.len()
        };
        length_fits
            && self.segments.iter().enumerate().all(|(index, segment)| {
                match (segment, self.segment(path, index)) {
                    (Segment::Literal(literal), Some(text)) => literal == text,
                    (Segment::One, Some(text)) => !text.is_empty(),
                    (Segment::Rest, _) => self.segment(path, path.0.len() - 1).is_some(),
                    (_, None) => false,
                }
            })
    }

    /// The order in which shapes are tried: verbs first, then literals before wildcards. So
    /// `x:verb` is never taken for a name that happens to end that way.
    pub(in crate::rest) fn preference(&self) -> (bool, &[Segment]) {
        (self.verb.is_none(), &self.segments)
    }

    /// A segment without the verb; none when there is no such segment or the verb is missing.
    fn segment<'p>(&self, path: &SplitPath<'p>, index: usize) -> Option<&'p str> {
        let segment = path.0.get(index).copied()?;
        match &self.verb {
            Some(verb) if index + 1 == path.0.len() => {
                segment.strip_suffix(verb.as_str())?.strip_suffix(':')
            }
            _ => Some(segment),
        }
    }
}

fn split_verb(text: &str) -> (&str, Option<&str>) {
    let last_part = text.rfind(['/', '}']).map_or(0, |at| at + 1);
    match text[last_part..].rfind(':') {
        Some(at) => (&text[..last_part + at], Some(&text[last_part + at + 1..])),
        None => (text, None),
    }
}

fn split_outside_braces(path: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    path.split(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == '/' && depth == 0
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures(template: &str, path: &str) -> Option<Vec<(String, String)>> {
        let template = Template::parse(template).unwrap();
        let path = SplitPath::new(path)?;
        template.shape.matches(&path).then(|| {
            template
                .variables
                .iter()
                .map(|variable| {
                    let value = template.capture(variable, &path).unwrap_or("broken".into());
                    (variable.field.clone(), value)
                })
                .collect()
        })
    }

    fn one(field: &str, value: &str) -> Option<Vec<(String, String)>> {
        Some(vec![(field.to_owned(), value.to_owned())])
    }

    #[test]
    fn variables_capture_what_they_say() {
        for (template, path, expected) in [
            (
                "/v1/{name=accounts/*}",
                "/v1/accounts/me",
                one("name", "accounts/me"),
            ),
            ("/v1/{name}", "/v1/a%2Fb%20c", one("name", "a/b c")),
            (
                "/v1/{name=a/*}",
                "/v1/a/b%2Fc%20d",
                one("name", "a/b%2Fc d"),
            ),
            ("/v1/{name=a/*}", "/v1/a/%2525", one("name", "a/%25")),
            ("/v1/{name=a/*}", "/v1/a/%zz", one("name", "broken")),
            ("/v1/{name=**}", "/v1/a/b/c", one("name", "a/b/c")),
            ("/v1/{name=**}:go", "/v1/a/b:go", one("name", "a/b")),
            ("/v1/{a.b=x/*}:go", "/v1/x/y:z:go", one("a.b", "x/y:z")),
            (
                "/v1/{a=x/*}/y/{b}",
                "/v1/x/1/y/2",
                Some(vec![("a".into(), "x/1".into()), ("b".into(), "2".into())]),
            ),
            ("/v1/sessions:refresh", "/v1/sessions:refresh", Some(vec![])),
        ] {
            assert_eq!(captures(template, path), expected, "{template} {path}");
        }
    }

    #[test]
    fn a_path_has_one_spelling() {
        for (template, path) in [
            ("/v1/accounts", "/v1/accounts/"),
            ("/v1/accounts", "/v1//accounts"),
            ("/v1/accounts", "/v1/Accounts"),
            ("/v1/accounts", "/v1/%61ccounts"),
            ("/v1/accounts", "*"),
            ("/v1/{name=accounts/*}", "/v1/accounts/"),
            ("/v1/{name=accounts/*}", "/v1/accounts/a/b"),
            ("/v1/{name=accounts/*}", "/v1/accounts%2Fme"),
            ("/v1/sessions:refresh", "/v1/sessions%3Arefresh"),
            ("/v1/{name=accounts/*}:go", "/v1/accounts/:go"),
            ("/v1/{name=accounts/*}:go", "/v1/accounts/me"),
            ("/v1/{name=**}:go", "/v1/a/b"),
            ("/v1/{name=**}", "/v1"),
        ] {
            assert_eq!(captures(template, path), None, "{template} {path}");
        }
    }

    #[test]
    fn what_is_not_a_template_is_refused() {
        for text in [
            "",
            "v1",
            "/v1/",
            "/v1/{a",
            "/v1/a*",
            "/{a=**}/b",
            "/a:b/c",
            "/{a={b}}",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
