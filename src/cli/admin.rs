//! `countersign admin`: accounts and organizations, looked at and changed by whoever runs the server.

use std::io::{self, IsTerminal as _, Write as _};

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::{
    Env, StartError, block_on, print, print_json,
    table::{table, visible},
};
use crate::{
    app::{
        self, AccountLine, AccountSearch, Console, Line, OrganizationLine, OrganizationSearch,
        Target,
    },
    config::Config,
};

/// What fits a terminal; `--json` says all.
const ACCOUNT_HEADER: [&str; 3] = ["ACCOUNT", "EMAIL", "STATE"];
const ORGANIZATION_HEADER: [&str; 5] = ["ORGANIZATION", "PLAN", "OWNER", "ACCOUNTS", "STATE"];

/// What is said when a list is longer than was asked for.
const MORE: &str = "countersign: there are more; narrow the list, or raise --limit";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an account an administrator of this server
    ///
    /// The account has signed up in the normal way: no account and no password is made here. Look at it
    /// before: whoever signed up with this address first has it, unless the address was verified.
    #[command(after_help = "Example:\n  countersign admin grant ada@example.com")]
    Grant(One),
    /// Take the right to administer this server from an account, even from the last one
    Revoke(One),
    /// List accounts, the newest first
    #[command(
        after_help = "Example:\n  countersign admin accounts --search example.com --disabled"
    )]
    Accounts(Accounts),
    /// List organizations, the newest first
    Organizations(Organizations),
    /// Put an organization on a plan
    #[command(after_help = "Example:\n  countersign admin set-plan ada@example.com pro")]
    SetPlan(SetPlan),
    /// Disable an account, or an organization with all its accounts
    ///
    /// Nobody can log in to it, its sessions end for good, and its API keys are refused, all of it at once.
    /// On Postgres, servers see it within 2 seconds.
    Disable(One),
    /// Enable an account or an organization: log-ins and API keys work again
    ///
    /// The sessions that ended stay ended. An account stays disabled while its organization is.
    Enable(One),
    /// Delete an account, or an organization with all its accounts, and everything that belongs to it
    Delete(Delete),
}

#[derive(Args, Debug)]
pub(super) struct One {
    /// The e-mail address of an account, accounts/ID or organizations/ID
    #[arg(value_name = "WHO", value_parser = Target::parse)]
    target: Target,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct List {
    /// Only what has this text in its e-mail address or name (an organization: its owner's)
    #[arg(long, value_name = "TEXT", default_value = "")]
    search: String,
    /// Only what is disabled
    #[arg(long)]
    disabled: bool,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct Accounts {
    #[command(flatten)]
    list: List,
    /// Only accounts of this organization
    #[arg(long, value_name = "organizations/ID", default_value = "")]
    organization: String,
    /// Only administrators
    #[arg(long)]
    administrators: bool,
}

#[derive(Args, Debug)]
pub(super) struct Organizations {
    #[command(flatten)]
    list: List,
    /// Only organizations on this plan
    #[arg(long)]
    plan: Option<Plan>,
}

#[derive(Args, Debug)]
pub(super) struct SetPlan {
    /// organizations/ID, or the e-mail address of an account in the organization
    #[arg(value_name = "WHO", value_parser = Target::parse)]
    target: Target,
    /// The plan
    plan: Plan,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(super) struct Delete {
    /// The e-mail address of an account, accounts/ID or organizations/ID
    #[arg(value_name = "WHO", value_parser = Target::parse)]
    target: Target,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Plan {
    Free,
    Pro,
}

impl From<Plan> for app::Plan {
    fn from(plan: Plan) -> Self {
        match plan {
            Plan::Free => Self::Free,
            Plan::Pro => Self::Pro,
        }
    }
}

impl Command {
    /// Runs the command, and prints what it was about.
    pub(super) fn run(&self, config: &Config) -> Result<(), StartError> {
        block_on(async {
            let mut console = Console::open(config, Env::system()).await?;
            let done = self.run_on(&mut console).await;
            console.close().await;
            done
        })
    }

    async fn run_on(&self, console: &mut Console) -> Result<(), StartError> {
        match self {
            Self::Grant(one) => {
                let line = console.set_administrator(one.target.clone(), true);
                show(&line.await?, one.json)
            }
            Self::Revoke(one) => {
                let line = console.set_administrator(one.target.clone(), false);
                show(&line.await?, one.json)
            }
            Self::Disable(one) => show(&console.disable(one.target.clone()).await?, one.json),
            Self::Enable(one) => show(&console.enable(one.target.clone()).await?, one.json),
            Self::SetPlan(wanted) => {
                let line = console.set_plan(wanted.target.clone(), wanted.plan.into());
                show(&line.await?, wanted.json)
            }
            Self::Accounts(wanted) => wanted.run(console).await,
            Self::Organizations(wanted) => wanted.run(console).await,
            Self::Delete(wanted) => wanted.run(console).await,
        }
    }
}

impl Accounts {
    async fn run(&self, console: &mut Console) -> Result<(), StartError> {
        let search = AccountSearch {
            text: self.list.search.clone(),
            organization: self.organization.clone(),
            disabled_only: self.list.disabled,
            administrators_only: self.administrators,
        };
        let (accounts, more) = console.accounts(&search, self.list.limit()).await?;
        self.list
            .show(&accounts, ACCOUNT_HEADER, account_cells, more)
    }
}

impl Organizations {
    async fn run(&self, console: &mut Console) -> Result<(), StartError> {
        let search = OrganizationSearch {
            text: self.list.search.clone(),
            plan: self.plan.map(Into::into),
            disabled_only: self.list.disabled,
        };
        let (organizations, more) = console.organizations(&search, self.list.limit()).await?;
        self.list.show(
            &organizations,
            ORGANIZATION_HEADER,
            organization_cells,
            more,
        )
    }
}

impl List {
    fn limit(&self) -> usize {
        usize::try_from(self.limit).unwrap_or(usize::MAX)
    }

    fn show<T: Serialize, const COLUMNS: usize>(
        &self,
        lines: &[T],
        header: [&str; COLUMNS],
        cells: fn(&T) -> [String; COLUMNS],
        more: bool,
    ) -> Result<(), StartError> {
        if self.json {
            print_json(&lines)?;
        } else {
            print(table(header, lines.iter().map(cells)))?;
        }
        if more {
            // There is nowhere left to say it when standard error is closed.
            let _ = writeln!(io::stderr(), "{MORE}");
        }
        Ok(())
    }
}

impl Delete {
    async fn run(&self, console: &mut Console) -> Result<(), StartError> {
        let line = console.look_up(self.target.clone()).await?;
        if !self.yes && !confirmed(&line)? {
            return print("Nothing was deleted.\n");
        }
        // By its id: in the meantime an address can become somebody else's.
        let (target, name) = match line {
            Line::Account(account) => (Target::Account(account.name.clone()), account.name),
            Line::Organization(one) => (Target::Organization(one.name.clone()), one.name),
        };
        console.delete(target).await?;
        print(format!("deleted {name}\n"))
    }
}

/// Asks on the terminal; without one nobody can have been asked.
fn confirmed(line: &Line) -> Result<bool, StartError> {
    if !io::stdin().is_terminal() {
        let refused = StartError::new(
            "there is no terminal to ask on whether to delete it",
            "say --yes to delete it unasked",
        );
        return Err(refused);
    }
    let what = match line {
        Line::Account(account) => {
            format!("the account {} ({})", visible(&account.email), account.name)
        }
        Line::Organization(one) => format!(
            "the organization of {} ({}) with {} accounts",
            visible(&one.owner_email),
            one.name,
            one.account_count
        ),
    };
    let question = format!("Delete {what} and everything that belongs to it, for good? Type yes: ");
    let mut answer = String::new();
    io::stderr()
        .write_all(question.as_bytes())
        .and_then(|()| io::stdin().read_line(&mut answer))
        .map_err(|error| {
            StartError::new(
                format!("cannot ask on the terminal: {error}"),
                "say --yes to delete it unasked",
            )
        })?;
    Ok(answer.trim() == "yes")
}

fn show(line: &Line, json: bool) -> Result<(), StartError> {
    if json {
        return print_json(line);
    }
    print(match line {
        Line::Account(account) => table(ACCOUNT_HEADER, [account_cells(account)]),
        Line::Organization(one) => table(ORGANIZATION_HEADER, [organization_cells(one)]),
    })
}

fn account_cells(account: &AccountLine) -> [String; ACCOUNT_HEADER.len()] {
    let state = match &account.disable_time {
        Some(_) => "disabled",
        None if account.administrator => "administrator",
        None => "-",
    };
    [
        account.name.clone(),
        account.email.clone(),
        state.to_owned(),
    ]
}

fn organization_cells(organization: &OrganizationLine) -> [String; ORGANIZATION_HEADER.len()] {
    let state = organization
        .disable_time
        .as_ref()
        .map_or("-", |_| "disabled");
    let owner = match organization.owner_email.as_str() {
        "" => "-",
        email => email,
    };
    [
        organization.name.clone(),
        organization.plan.to_owned(),
        owner.to_owned(),
        organization.account_count.to_string(),
        state.to_owned(),
    ]
}
