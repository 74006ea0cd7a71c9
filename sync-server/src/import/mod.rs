//! Bringing in records from tables.

/// `import`
#[derive(Debug, Clone, clap::Args)]
pub struct ImportArgs {
    /// Where the data are.
    #[command(flatten)]
    pub data: crate::config::DataArgs,
}

/// Runs `import`.
pub fn command(args: ImportArgs) -> anyhow::Result<()> {
    anyhow::bail!("import into {} is not built yet", args.data.data.display())
}
