/**
 * The systemd unit of the .deb: one template for all servers. `sluice@pool` runs `sluice pool` with /etc/sluice/pool.toml; another
 * instance, such as `sluice@pool-b`, says in /etc/sluice/pool-b.env which program it is.
 */
import { keysOf } from "../../../programs/src/config/key.ts"
import { JobDeclaratorConfig } from "../../../programs/src/job-declarator/config.ts"
import { PoolConfig } from "../../../programs/src/pool/config.ts"
import { ProxyConfig } from "../../../programs/src/proxy/config.ts"
import { TemplateProviderConfig } from "../../../programs/src/template-provider/config.ts"

/** The names of all secrets that a server takes. */
const secrets = [
  ...new Set(
    [PoolConfig, ProxyConfig, TemplateProviderConfig, JobDeclaratorConfig].flatMap(({ program, schema }) =>
      keysOf(program, schema.fields).flatMap(({ name, value }) => (value.secret ? [name] : []))
    )
  )
].toSorted()

export const unit = `# sluice@pool.service runs "sluice pool --config /etc/sluice/pool.toml"; likewise proxy, template-provider and job-declarator.
[Unit]
Description=Sluice, Stratum V2: %i
Documentation=https://github.com/sluice/sluice
Wants=network-online.target
After=network-online.target
ConditionPathExists=/etc/sluice/%i.toml

[Service]
Type=exec
# An instance with another name than its program sets PROGRAM in /etc/sluice/INSTANCE.env, and may set any SLUICE_... variable there.
Environment=PROGRAM=%i
EnvironmentFile=-/etc/sluice/%i.env
ExecStart=/usr/bin/sluice \${PROGRAM} --config /etc/sluice/%i.toml
Restart=on-failure
RestartSec=5
# Status 2: the command line or the configuration is wrong, which a restart does not mend.
RestartPreventExitStatus=2
TimeoutStopSec=30
LimitNOFILE=65536
DynamicUser=yes
StateDirectory=sluice/%i
WorkingDirectory=%S/sluice/%i
UMask=0077

# A secret is a file that only root can read, /etc/credstore/sluice.INSTANCE.NAME. The program finds those that exist in
# /run/credentials/sluice@INSTANCE.service/NAME; the configuration names them, such as authority-secret-key-file = "...".
${secrets.map((name) => `LoadCredential=${name}:sluice.%i.${name}`).join("\n")}

# MemoryDenyWriteExecute is not here: V8 compiles JavaScript to memory.
CapabilityBoundingSet=
LockPersonality=yes
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
PrivateUsers=yes
ProcSubset=all
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`
