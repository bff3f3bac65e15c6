//! What only an operator can set, written into the database by hand.

use sea_orm::{ConnectionTrait as _, Database, DbBackend, Statement, Value};
use uuid::Uuid;

use super::TestApp;

impl TestApp {
    /// Puts an organization, `organizations/…`, on the paid plan. What is remembered of its credentials
    /// still has the old one.
    pub(crate) async fn upgrade(&self, organization: &str) {
        self.set_plan(organization, "pro").await;
    }

    /// Puts an organization, `organizations/…`, back on the free plan.
    pub(crate) async fn downgrade(&self, organization: &str) {
        self.set_plan(organization, "free").await;
    }

    async fn set_plan(&self, organization: &str, plan: &str) {
        let id: Uuid = organization["organizations/".len()..].parse().unwrap();
        let change = "UPDATE organizations SET plan = ? WHERE id = ?";
        self.change_by_hand(change, [plan.into(), id.into()]).await;
    }

    /// Takes the password of an account away, as if it had always signed in by other means.
    pub(crate) async fn forget_password(&self, email: &str) {
        let change = "UPDATE accounts SET password_hash = NULL WHERE email_normalized = ?";
        self.change_by_hand(change, [email.into()]).await;
    }

    async fn change_by_hand<const N: usize>(&self, statement: &str, values: [Value; N]) {
        let file = self.config.data_dir.join("countersign.db");
        let url = format!("sqlite:{}", file.display());
        let database = Database::connect(url).await.unwrap();
        let change = Statement::from_sql_and_values(DbBackend::Sqlite, statement, values);
        let changed = database.execute_raw(change).await.unwrap();
        assert_eq!(changed.rows_affected(), 1);
        database.close().await.unwrap();
    }
}
