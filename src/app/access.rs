//! The configured rules of forward-auth, as the use cases ask them.

use crate::{
    config::{self, AccessRule, AccessSegment, Config},
    model::{
        access::{Access, Rule, Rules, Segment},
        scope::Scopes,
    },
};

/// The rules of this configuration.
pub(super) fn access_rules(config: &Config) -> Rules {
    Rules::new(config.authz.rules.iter().map(rule).collect())
}

fn rule(configured: &AccessRule) -> Rule {
    Rule {
        methods: configured.methods.clone(),
        path: configured.path.iter().map(segment).collect(),
        access: access(configured.access),
        scopes: match &configured.scope {
            Some(scope) => Scopes::from_stored(scope),
            None => Scopes::full(),
        },
    }
}

fn segment(configured: &AccessSegment) -> Segment {
    match configured {
        AccessSegment::Literal(text) => Segment::Literal(text.clone()),
        AccessSegment::Any => Segment::Any,
        AccessSegment::Account => Segment::Account,
    }
}

fn access(configured: config::Access) -> Access {
    match configured {
        config::Access::Anyone => Access::Anyone,
        config::Access::Authenticated => Access::Authenticated,
        config::Access::Pro => Access::Pro,
        config::Access::Account => Access::Account,
        config::Access::Nobody => Access::Nobody,
    }
}
