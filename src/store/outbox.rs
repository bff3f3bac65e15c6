//! Mail that waits to be sent.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};
use uuid::Uuid;

use super::{
    entity::outbox,
    transaction::{Reader, Tx},
};
use crate::{env::Timestamp, error::Result, model::mail::OutboxMail};

impl Reader<'_> {
    /// The mails to send at this moment, the longest due first.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn due_mail(&self, now: Timestamp, limit: u64) -> Result<Vec<OutboxMail>> {
        let rows = outbox::Entity::find()
            .filter(outbox::Column::DueAt.lte(now.millis()))
            .order_by_asc(outbox::Column::DueAt)
            .order_by_asc(outbox::Column::Id)
            .limit(limit)
            .all(&self.database)
            .await?;
        Ok(rows.into_iter().map(OutboxMail::from).collect())
    }
}

impl Tx<'_> {
    /// Writes a mail into the outbox.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn push_mail(&self, mail: &OutboxMail) -> Result<()> {
        outbox::Entity::insert(outbox::ActiveModel::from(mail))
            .exec_without_returning(&self.database)
            .await?;
        Ok(())
    }

    /// Takes a mail out of the outbox. False when it is not there.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn delete_mail(&self, id: Uuid) -> Result<bool> {
        let deleted = outbox::Entity::delete_by_id(id)
            .exec(&self.database)
            .await?;
        Ok(deleted.rows_affected == 1)
    }

    /// Counts a try and sets when the next one is due. False when this try has been counted already,
    /// or the mail is not there: another node has it. So whoever postpones a mail *before* sending it
    /// is the only one who sends it.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn postpone_mail(&self, id: Uuid, attempts: i64, due_at: Timestamp) -> Result<bool> {
        let postponed = outbox::Entity::update_many()
            .filter(outbox::Column::Id.eq(id))
            .filter(outbox::Column::Attempts.lt(attempts))
            .col_expr(outbox::Column::Attempts, Expr::val(attempts))
            .col_expr(outbox::Column::DueAt, Expr::val(due_at.millis()))
            .exec(&self.database)
            .await?;
        Ok(postponed.rows_affected == 1)
    }
}
