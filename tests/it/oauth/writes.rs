//! What tokens cost the database: a write to the disk is the dearest thing that a call can do.

use std::path::Path;

use super::*;

/// The commits in the log of SQLite, since it was last begun anew (sqlite.org/fileformat2.html, section 4): the frames that
/// say how large the database is after them.
struct Log {
    salt: Vec<u8>,
    commits: usize,
}

impl Log {
    fn read(app: &TestApp) -> Self {
        let file = Path::new(&app.config.data_dir).join("countersign.db-wal");
        let log = std::fs::read(file).unwrap();
        let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
        let page = usize::try_from(number(8)).unwrap();
        let salt = log[16..24].to_vec();
        let frames = (32..log.len()).step_by(24 + page);
        let is_commit = |at: &usize| log[at + 8..at + 16] == *salt && number(at + 4) > 0;
        let commits = frames.filter(is_commit).count();
        Self { salt, commits }
    }

    fn since(&self, before: &Self) -> usize {
        let is_begun_anew = self.salt != before.salt;
        self.commits - if is_begun_anew { 0 } else { before.commits }
    }
}

#[tokio::test]
async fn a_code_and_a_refresh_token_cost_one_write_each() {
    let app = app().await;
    let client = public_client(&app).await;
    let session = app.sign_up("ann").await.logs_in().await.tokens.access_token;
    let code = code(&app, &session, client.request()).await;
    let before = Log::read(&app);
    let granted = token(&app, &client.exchange(&code)).await;
    assert_eq!(granted.status, 200, "{}", granted.text());
    let redeemed = Log::read(&app);
    assert_eq!(redeemed.since(&before), 1);
    let granted = granted.json();
    let refreshed = refresh(&app, &client, &granted["refresh_token"]).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    assert_eq!(Log::read(&app).since(&redeemed), 1);
    // Looking at what lives costs none.
    let after = Log::read(&app);
    assert!(opens(&app, &refreshed.json()["access_token"]).await);
    assert_eq!(Log::read(&app).since(&after), 0);
}
