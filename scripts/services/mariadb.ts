import { randomBytes } from 'node:crypto'
import { chownSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createConnection } from 'mysql2/promise'
import { CannotOpen, type Opened, type Way } from '../services.ts'
import { writeCertificates, writePrivate } from './certificates.ts'
import { type Account, accountFor, install, isExecutable, programAt } from './debian.ts'
import { dockerWay } from './docker.ts'
import { freePort } from './free-port.ts'
import { type Guarded, guard } from './guard.ts'
import { run } from './run.ts'

/**
 * MariaDB, with `erpgw` as an account that may do everything. The one that we start ourselves offers TLS; its authority
 * is where `@@ssl_ca` says.
 */
export const mariadb: readonly Way[] = [
  dockerWay('mariadb', 3306, (address) => `mysql://root:erpgw@${address}/mysql`),
  { name: 'Debian package', open: openFromDebian },
]

const SERVER = '/usr/sbin/mariadbd'
const INSTALLER = 'mariadb-install-db'
const PRINTER = 'my_print_defaults'

const START_MS = 60_000
const POLL_MS = 100

async function openFromDebian(): Promise<Opened> {
  // The programs alone: `mariadb-server` would also leave a server of the machine running.
  // Of the client the installer needs a small program.
  const isThere = isExecutable(SERVER) && programAt(INSTALLER) !== null && programAt(PRINTER) !== null
  if (!isThere) await install(['mariadb-server-core', 'mariadb-client-core'])
  const installer = programAt(INSTALLER)
  if (installer === null) throw new CannotOpen(`no ${INSTALLER} after the installation`, true)
  // mariadbd refuses to run as root.
  const account = accountFor(['mysql', 'nobody'])
  const folder = mkdtempSync(join(tmpdir(), 'erpgw-mariadb-'))
  try {
    if (account) chownSync(folder, account.uid, account.gid)
    await createData(installer, folder, account)
    return await startServer(folder, account)
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

async function createData(installer: string, folder: string, account: Account | null): Promise<void> {
  const created = await run(
    installer,
    [
      ...['--no-defaults', `--datadir=${join(folder, 'data')}`, '--skip-test-db'],
      '--auth-root-authentication-method=normal',
    ],
    { timeoutMs: START_MS, ...(account && { account }) },
  )
  if (!created.ok) throw new CannotOpen(created.reason, true)
}

async function startServer(folder: string, account: Account | null): Promise<Opened> {
  const port = await freePort()
  const password = randomBytes(12).toString('hex')
  const files = writeCertificates(folder, account)
  const guarded = guard({
    program: {
      command: SERVER,
      args: [
        '--no-defaults',
        `--datadir=${join(folder, 'data')}`,
        `--init-file=${writeAccounts(folder, password, account)}`,
        '--bind-address=127.0.0.1',
        `--port=${port}`,
        `--socket=${join(folder, 'mariadb.sock')}`,
        '--skip-name-resolve',
        '--max-connections=60',
        // What a test writes needs to outlive the test, not the machine.
        '--innodb-flush-log-at-trx-commit=0',
        '--innodb-buffer-pool-size=64M',
        ...(files ? [`--ssl-ca=${files.ca}`, `--ssl-cert=${files.cert}`, `--ssl-key=${files.key}`] : []),
      ],
      account,
      signal: 'SIGTERM',
      graceMs: 15_000,
    },
    afterwards: [],
    remove: [folder],
  })
  const url = `mysql://erpgw:${password}@127.0.0.1:${port}/mysql`
  const failure = await untilReady(url, guarded)
  if (failure !== null) {
    await guarded.stop()
    throw new CannotOpen(failure, true)
  }
  return { url, stop: guarded.stop }
}

/** A file of what the server is told as it starts. */
function writeAccounts(folder: string, password: string, account: Account | null): string {
  const statements = [
    `CREATE USER 'erpgw'@'127.0.0.1' IDENTIFIED BY '${password}';`,
    "GRANT ALL ON *.* TO 'erpgw'@'127.0.0.1' WITH GRANT OPTION;",
  ]
  return writePrivate(join(folder, 'accounts.sql'), `${statements.join('\n')}\n`, account)
}

/** Resolves to null once a login works, else to what is wrong. */
async function untilReady(url: string, guarded: Guarded): Promise<string | null> {
  const ended = guarded.ended.then((output) => `mariadbd ended: ${output}`)
  const deadline = performance.now() + START_MS
  let failure = 'mariadbd did not answer'
  while (performance.now() < deadline) {
    try {
      const connection = await createConnection(url)
      await connection.end()
      return null
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error)
    }
    const over = await Promise.race([ended, sleep(POLL_MS, null)])
    if (over !== null) return over
  }
  return `${failure} within ${START_MS / 1000} s`
}
