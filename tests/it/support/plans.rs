//! What only an operator can set, written into the database by hand.

use rusqlite::{Connection, Params, params};
use uuid::Uuid;

use super::TestApp;

impl TestApp {
    /// Puts an organization, `organizations/…`, on the paid plan. What is remembered of its credentials
    /// still has the old one.
    pub(crate) async fn upgrade(&self, organization: &str) {
        self.set_plan(organization, "pro");
    }

    /// Puts an organization, `organizations/…`, back on the free plan.
    pub(crate) async fn downgrade(&self, organization: &str) {
        self.set_plan(organization, "free");
    }

    fn set_plan(&self, organization: &str, plan: &str) {
        let id: Uuid = organization["organizations/".len()..].parse().unwrap();
        let change = "UPDATE organizations SET plan = ? WHERE id = ?";
        self.change_by_hand(change, params![plan, id.as_bytes()]);
    }

    /// Takes the password of an account away, as if it had always signed in by other means.
    pub(crate) async fn forget_password(&self, email: &str) {
        let change = "UPDATE accounts SET password_hash = NULL WHERE email_normalized = ?";
        self.change_by_hand(change, params![email]);
    }

    fn change_by_hand(&self, statement: &str, values: impl Params) {
        let file = self.config.data_dir.join("countersign.db");
        let database = Connection::open(file).unwrap();
        assert_eq!(database.execute(statement, values).unwrap(), 1);
    }
}
