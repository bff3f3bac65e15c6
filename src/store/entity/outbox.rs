//! Table `outbox`.

use sea_orm::{Set, entity::prelude::*};

use crate::{env::Timestamp, model::mail::OutboxMail};

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub recipient: String,
    pub subject: String,
    pub body: String,
    pub created_at: i64,
    pub attempts: i64,
    pub due_at: i64,
}

#[derive(Clone, Copy, Debug, DeriveRelation, EnumIter)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl From<&OutboxMail> for ActiveModel {
    fn from(mail: &OutboxMail) -> Self {
        Self {
            id: Set(mail.id),
            recipient: Set(mail.recipient.clone()),
            subject: Set(mail.subject.clone()),
            body: Set(mail.body.clone()),
            created_at: Set(mail.created_at.millis()),
            attempts: Set(mail.attempts),
            due_at: Set(mail.due_at.millis()),
        }
    }
}

impl From<Model> for OutboxMail {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            recipient: row.recipient,
            subject: row.subject,
            body: row.body,
            created_at: Timestamp::from_millis(row.created_at),
            attempts: row.attempts,
            due_at: Timestamp::from_millis(row.due_at),
        }
    }
}
