//! Client ID metadata documents that were fetched.

use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, QueryFilter,
    sea_query::{Expr, OnConflict, Query},
};

use super::{
    entity::{authorization, client_document, grant},
    transaction::{Reader, Tx},
};
use crate::{
    env::Timestamp,
    error::Result,
    model::{id::GrantId, oauth::document::ClientDocument},
};

/// How many go at a time.
const BATCH: u64 = 100;

impl Reader<'_> {
    /// The document that was last fetched from this URL.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn client_document(&self, client_id: &str) -> Result<Option<ClientDocument>> {
        let row = client_document::Entity::find_by_id(client_id.to_owned())
            .one(&self.database)
            .await?;
        row.map(ClientDocument::try_from).transpose()
    }
}

impl Tx<'_> {
    /// Keeps a document in place of the one that was fetched before.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn keep_client_document(&self, document: &ClientDocument) -> Result<()> {
        let again = OnConflict::column(client_document::Column::ClientId)
            .update_columns([
                client_document::Column::Metadata,
                client_document::Column::FetchedAt,
                client_document::Column::FreshUntil,
            ])
            .to_owned();
        client_document::Entity::insert(client_document::ActiveModel::try_from(document)?)
            .on_conflict(again)
            .exec_without_returning(&self.database)
            .await?;
        Ok(())
    }

    /// Forgets a document and what people have allowed its client, and ends all that was granted to it. Tells which grants
    /// ended; none when the document is not known.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn delete_client_document(
        &self,
        client_id: &str,
        now: Timestamp,
    ) -> Result<Option<Vec<GrantId>>> {
        let deleted = client_document::Entity::delete_by_id(client_id.to_owned())
            .exec(&self.database)
            .await?;
        if deleted.rows_affected == 0 {
            return Ok(None);
        }
        // Before the sessions, as whoever redeems a code does.
        authorization::Entity::delete_many()
            .filter(authorization::Column::ClientId.eq(client_id))
            .exec(&self.database)
            .await?;
        self.take_back_from(client_id, now).await.map(Some)
    }

    /// Deletes a batch of the documents that were fetched before then and whose clients have no grant, and tells how many.
    ///
    /// # Errors
    /// See [`Reader`].
    pub async fn delete_unused_client_documents(&self, before: Timestamp) -> Result<u64> {
        let grants = Query::select()
            .expr(Expr::val(1))
            .from(grant::Entity)
            .and_where(
                Expr::col((grant::Entity, grant::Column::ClientId))
                    .equals((client_document::Entity, client_document::Column::ClientId)),
            )
            .take();
        let unused = Query::select()
            .column(client_document::Column::ClientId)
            .from(client_document::Entity)
            .and_where(client_document::Column::FetchedAt.lt(before.millis()))
            .and_where(Expr::exists(grants).not())
            .limit(BATCH)
            .take();
        let deleted = client_document::Entity::delete_many()
            .filter(client_document::Column::ClientId.in_subquery(unused))
            .exec(&self.database)
            .await?;
        Ok(deleted.rows_affected)
    }
}
