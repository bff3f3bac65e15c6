//! Backups, restores of them, and moves between databases, on SQLite and Postgres alike.

mod moves;
mod refusals;
mod restores;
mod writes;

use std::{
    fs,
    path::{Path, PathBuf},
};

use countersign::{
    app::{self, Contents, Restored},
    config::Config,
};
use secrecy::SecretString;
use tempfile::TempDir;

use crate::{store_contract::Base, support::TestApp};

/// Turns `async fn name(from: Place, to: Place)` into one test for each pair of engines.
macro_rules! on_every_pair {
    ($($name:ident),+ $(,)?) => {
        $(mod $name {
            use crate::{backup::Place, store_contract::on_postgres};

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite_to_sqlite() {
                super::$name(Place::sqlite(), Place::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite_to_postgres() {
                on_postgres(|to| super::$name(Place::sqlite(), Place::on(&to))).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres_to_sqlite() {
                on_postgres(|from| super::$name(Place::on(&from), Place::sqlite())).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres_to_postgres() {
                on_postgres(|from| async move {
                    on_postgres(move |to| super::$name(Place::on(&from), Place::on(&to))).await;
                })
                .await;
            }
        })+
    };
}
use on_every_pair;

/// Where a server keeps its data.
pub(crate) struct Place {
    folder: TempDir,
    url: SecretString,
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            url: SecretString::default(),
        }
    }

    fn on(base: &Base) -> Self {
        Self {
            url: base.url().unwrap_or_default().into(),
            ..Self::sqlite()
        }
    }

    fn configure(&self, config: &mut Config) {
        self.folder.path().clone_into(&mut config.data_dir);
        config.database.url = self.url.clone();
    }

    /// The first server here.
    async fn start(&self) -> TestApp {
        TestApp::with(|config| self.configure(config)).await
    }

    /// A server here, at the time of another one.
    pub(crate) async fn start_after(&self, app: &TestApp) -> TestApp {
        app.beside(|config| self.configure(config)).await
    }

    /// The settings of another server, for here.
    fn config(&self, app: &TestApp) -> Config {
        let mut config = app.config.clone();
        self.configure(&mut config);
        config
    }

    /// Brings the key file of a server here.
    fn takes_key_of(&self, app: &TestApp) {
        fs::copy(app.config.key_file(), self.folder.path().join("master.key")).unwrap();
    }

    /// Restores a backup of this server here.
    pub(crate) async fn restores(&self, app: &TestApp, file: &Path) -> Restored {
        self.takes_key_of(app);
        app::restore(&self.config(app), file, false, &app.env())
            .await
            .unwrap()
    }

    /// The names of the files here.
    fn files(&self) -> Vec<String> {
        let files = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// A backup of this server, in a folder of its own.
pub(crate) async fn backup_of(app: &TestApp) -> (TempDir, PathBuf) {
    let (folder, file, _) = backup_with_contents_of(app).await;
    (folder, file)
}

async fn backup_with_contents_of(app: &TestApp) -> (TempDir, PathBuf, Contents) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    let contents = app::back_up(&app.config, &file, &app.env()).await.unwrap();
    (folder, file, contents)
}

/// Makes an API key in the name of whoever has this token.
async fn api_key(app: &TestApp, token: &str) -> String {
    let answer = app
        .post("/v1/apiKeys")
        .bearer(token)
        .json(serde_json::json!({"displayName": "laptop"}))
        .send()
        .await;
    let secret = answer.json()["secret"].as_str().map(str::to_owned);
    secret.unwrap_or_else(|| panic!("{}", answer.text()))
}
