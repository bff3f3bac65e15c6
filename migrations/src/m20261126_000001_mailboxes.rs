//! One mailbox, one account: what was stored before is compared as addresses are now. Of accounts that turn
//! out to be of one mailbox, one has the address: a verified one before others, then the oldest. Each other
//! one keeps all that it has under a key that nobody can type, ` {address} {id}`, until the address is free.

use std::borrow::Cow;

use email_address::EmailAddress;
use idna::{
    AsciiDenyList,
    uts46::{Hyphens, Uts46},
};
use sea_orm_migration::{
    prelude::*,
    sea_orm::{ConnectionTrait, QueryResult},
};
use unicase::UniCase;
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

/// How many addresses are read at a time.
const BATCH: u64 = 1000;
const DENIED: AsciiDenyList = AsciiDenyList::new(true, "\"(),:;<>@[\\]");

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let waiting = Index::create()
            .name("accounts_waiting_for_address")
            .table("accounts")
            .col("id")
            .and_where(Expr::cust("substr(email_normalized, 1, 1) = ' '"))
            .take();
        manager.create_index(waiting).await?;
        renormalize(manager.get_connection()).await
    }

    // SQLite would otherwise keep half of a change that failed.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

/// An account, and the address that it should have.
struct Mailbox {
    id: Uuid,
    verified: bool,
    normal: String,
}

impl Mailbox {
    /// Who has the address: the least.
    fn rank(&self) -> (bool, Uuid) {
        (!self.verified, self.id)
    }

    fn waiting(&self) -> String {
        format!(" {} {}", self.normal, self.id)
    }
}

async fn renormalize(database: &SchemaManagerConnection<'_>) -> Result<(), DbErr> {
    let mut changed = changed(database).await?;
    // First out of each other's way: one may want what another one gives up.
    for mailbox in &changed {
        set(database, mailbox.id, mailbox.waiting()).await?;
    }
    changed.sort_by_key(Mailbox::rank);
    for mailbox in changed {
        let Some(holder) = holder(database, &mailbox.normal).await? else {
            set(database, mailbox.id, mailbox.normal).await?;
            continue;
        };
        let mut both = [holder, mailbox];
        both.sort_by_key(Mailbox::rank);
        let [kept, other] = both;
        set(database, other.id, other.waiting()).await?;
        set(database, kept.id, kept.normal).await?;
        tracing::warn!(
            account = %other.id, address_kept_by = %kept.id,
            "two accounts are of one mailbox; log-ins with its address reach the other one (docs/OPERATIONS.md)"
        );
    }
    Ok(())
}

/// The accounts whose address is compared in another form from now on.
async fn changed(database: &SchemaManagerConnection<'_>) -> Result<Vec<Mailbox>, DbErr> {
    let (mut changed, mut after) = (Vec::new(), None);
    loop {
        let accounts = Query::select()
            .columns(["id", "email_verified", "email", "email_normalized"])
            .from("accounts")
            .and_where_option(after.map(|id: Uuid| Expr::col("id").gt(id)))
            .order_by("id", Order::Asc)
            .limit(BATCH)
            .take();
        let rows = database.query_all(&accounts).await?;
        for row in &rows {
            let mailbox = Mailbox {
                normal: normalize(&row.try_get_by_index::<String>(2)?),
                ..mailbox(row)?
            };
            after = Some(mailbox.id);
            if mailbox.normal != row.try_get_by_index::<String>(3)? {
                changed.push(mailbox);
            }
        }
        if rows.is_empty() {
            return Ok(changed);
        }
    }
}

/// The account that has this address now.
async fn holder(
    database: &SchemaManagerConnection<'_>,
    normal: &str,
) -> Result<Option<Mailbox>, DbErr> {
    let account = Query::select()
        .columns(["id", "email_verified", "email_normalized"])
        .from("accounts")
        .and_where(Expr::col("email_normalized").eq(normal))
        .take();
    database
        .query_one(&account)
        .await?
        .as_ref()
        .map(mailbox)
        .transpose()
}

fn mailbox(row: &QueryResult) -> Result<Mailbox, DbErr> {
    Ok(Mailbox {
        id: row.try_get_by_index(0)?,
        verified: row.try_get_by_index(1)?,
        normal: row.try_get_by_index(2)?,
    })
}

async fn set(
    database: &SchemaManagerConnection<'_>,
    id: Uuid,
    normalized: String,
) -> Result<(), DbErr> {
    let change = Query::update()
        .table("accounts")
        .value("email_normalized", normalized)
        .and_where(Expr::col("id").eq(id))
        .take();
    database.execute(&change).await.map(|_| ())
}

/// As `model::email::normalize` did when this change was made.
fn normalize(address: &str) -> String {
    let address = address.trim();
    let parts = address.rsplit_once('@');
    match parts.and_then(|(local, domain)| Some((local, shown(domain)?))) {
        Some((local, domain)) => {
            let local: String = local.nfc().collect();
            format!("{}@{domain}", fold(&unquoted(&local)))
        }
        None => fold(address),
    }
}

fn shown(domain: &str) -> Option<String> {
    let (shown, valid) = Uts46::new().to_unicode(domain.as_bytes(), DENIED, Hyphens::Allow);
    valid.ok().map(|()| shown.into_owned())
}

fn fold(text: &str) -> String {
    let decomposed: String = text.trim().nfd().collect();
    UniCase::unicode(decomposed)
        .to_folded_case()
        .nfc()
        .collect()
}

fn unquoted(local: &str) -> Cow<'_, str> {
    let Some(content) = quoted_content(local) else {
        return local.into();
    };
    if !content.starts_with('"') && EmailAddress::is_valid_local_part(&content) {
        return content.into();
    }
    format!("\"{}\"", content.replace('\\', "\\\\").replace('"', "\\\"")).into()
}

fn quoted_content(text: &str) -> Option<String> {
    let inside = text.strip_prefix('"')?.strip_suffix('"')?;
    let (mut content, mut characters) = (String::new(), inside.chars());
    while let Some(character) = characters.next() {
        content.push(match character {
            '"' => return None,
            '\\' => characters.next()?,
            other => other,
        });
    }
    Some(content)
}
