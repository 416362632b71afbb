import { randomBytes } from 'node:crypto'
import { chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { CannotOpen, type Opened, type Way } from '../services.ts'
import { writeCertificates, writePrivate } from './certificates.ts'
import { type Account, accountFor, canInstall, install, isExecutable, programAt } from './debian.ts'
import { dockerWay } from './docker.ts'
import { freePort } from './free-port.ts'
import { type Guarded, guard } from './guard.ts'
import { run } from './run.ts'

/**
 * PostgreSQL, as superuser `erpgw`. What it says is durable is durable: kill tests rely on its fsync. The one that we start
 * ourselves offers TLS; its authority is where `ssl_ca_file` says.
 */
export const postgres: readonly Way[] = [
  dockerWay('postgres', 5432, (address) => `postgres://erpgw:erpgw@${address}/erpgw`),
  { name: 'Debian package', open: openFromDebian },
]

/** Debian keeps the programs of each major version in a folder of its own, outside PATH. */
const VERSIONS = '/usr/lib/postgresql'

const START_MS = 60_000
const POLL_MS = 50

async function openFromDebian(): Promise<Opened> {
  let programs = findPrograms()
  if (programs === null) {
    if (canInstall()) forbidMainCluster()
    await install(['postgresql'])
    programs = findPrograms()
  }
  if (programs === null) throw new CannotOpen(`no initdb in ${VERSIONS} after the installation`, true)
  // initdb and postgres refuse to run as root.
  const account = accountFor(['postgres', 'nobody'])
  const folder = mkdtempSync(join(tmpdir(), 'erpgw-postgres-'))
  try {
    const password = randomBytes(12).toString('hex')
    await createCluster(programs, folder, password, account)
    return await startServer(programs, folder, password, account)
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    throw error
  }
}

function findPrograms(): string | null {
  const versions = readFolder(VERSIONS)
    .filter((name) => isExecutable(join(VERSIONS, name, 'bin', 'initdb')))
    .sort((a, b) => Number(b) - Number(a))
  if (versions[0] !== undefined) return join(VERSIONS, versions[0], 'bin')
  const initdb = programAt('initdb')
  return initdb === null ? null : join(initdb, '..')
}

function readFolder(path: string): readonly string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** Installing the package would also create a cluster and leave its server running on the usual port. */
function forbidMainCluster(): void {
  const folder = '/etc/postgresql-common/createcluster.d'
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'erpgw-tests.conf'), 'create_main_cluster = false\n')
}

async function createCluster(
  programs: string,
  folder: string,
  password: string,
  account: Account | null,
): Promise<void> {
  if (account) chownSync(folder, account.uid, account.gid)
  const passwordFile = writePrivate(join(folder, 'password'), password, account)
  const created = await run(
    join(programs, 'initdb'),
    [
      ...['--pgdata', join(folder, 'data'), '--username', 'erpgw', '--pwfile', passwordFile],
      ...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--locale', 'C.UTF-8', '--no-sync'],
    ],
    { timeoutMs: START_MS, ...(account && { account }) },
  )
  if (!created.ok) throw new CannotOpen(created.reason, true)
}

async function startServer(
  programs: string,
  folder: string,
  password: string,
  account: Account | null,
): Promise<Opened> {
  const port = await freePort()
  const files = writeCertificates(folder, account)
  const settings = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    'unix_socket_directories=',
    'max_connections=60',
    'lc_messages=C',
    ...(files
      ? ['ssl=on', `ssl_ca_file=${files.ca}`, `ssl_cert_file=${files.cert}`, `ssl_key_file=${files.key}`]
      : []),
  ]
  const guarded = guard({
    program: {
      command: join(programs, 'postgres'),
      args: ['-D', join(folder, 'data'), ...settings.flatMap((setting) => ['-c', setting])],
      account,
      // Fast shutdown: sessions are broken off, and what was committed is on disk.
      signal: 'SIGINT',
      graceMs: 10_000,
    },
    afterwards: [],
    remove: [folder],
  })
  const url = `postgres://erpgw:${password}@127.0.0.1:${port}/postgres`
  const failure = await untilReady(url, guarded)
  if (failure !== null) {
    await guarded.stop()
    throw new CannotOpen(failure, true)
  }
  return { url, stop: guarded.stop }
}

/** Resolves to null once a login works, else to what is wrong. */
async function untilReady(url: string, guarded: Guarded): Promise<string | null> {
  const ended = guarded.ended.then((output) => `postgres ended: ${output}`)
  const deadline = performance.now() + START_MS
  let failure = 'postgres did not answer'
  while (performance.now() < deadline) {
    const client = new pg.Client({ connectionString: url })
    try {
      await client.connect()
      await client.end()
      return null
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error)
    }
    const over = await Promise.race([ended, sleep(POLL_MS, null)])
    if (over !== null) return over
  }
  return `${failure} within ${START_MS / 1000} s`
}
