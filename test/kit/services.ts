import { createConnection } from 'mysql2/promise'
import pg from 'pg'
import { describe, inject, test } from 'vitest'
import { askBroker } from '../../scripts/services/broker.ts'
import {
  type KafkaBroker,
  type KafkaBrokerOptions,
  startKafkaBroker,
} from '../../scripts/services/kafka-broker.ts'
import type { Answer, ServiceName } from '../../scripts/services.ts'

/** A database of its own for one test. `await using` drops it at the end of the block. */
export type Database = Readonly<{
  /** Connection string of its owner, a superuser. */
  url: string
  name: string
  /** Breaks off whoever is still connected. */
  drop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}>

export type Postgres = Readonly<{
  /** Connection string of the superuser to the maintenance database. */
  url: string
  /** A fresh, empty database in UTF-8. */
  database(): Promise<Database>
}>

export type Mariadb = Readonly<{
  /** Connection string of an account that may do everything. */
  url: string
  /** A fresh, empty database in utf8mb4. */
  database(): Promise<Database>
}>

/** The broker that all tests share, so that topics, groups and identities need names of their own. */
export type Kafka = Readonly<{ address: string }>

/** Brokers of a test's own, to be killed, or with security. */
export type KafkaBrokers = Readonly<{
  /** The folder with Kafka's jars, its client's among them. */
  jars: string
  start(options?: Omit<KafkaBrokerOptions, 'jars'>): Promise<KafkaBroker>
}>

/** `path` is the program, for `executablePath` of playwright-core. */
export type Chromium = Readonly<{ path: string }>

/** A database of a server that somebody named; tests make tables of their own in it. */
export type SqlServer = Readonly<{ url: string }>

/** What a test is given, by service. */
export type ServiceAccess = Readonly<{
  postgres: Postgres
  mariadb: Mariadb
  kafka: Kafka
  'kafka-jars': KafkaBrokers
  chromium: Chromium
  sqlserver: SqlServer
}>

/**
 * Tests that need a real service (`*.itest.ts`, `*.atest.ts`). The service is started when the first file that wants
 * it is read. Where it cannot be had, the tests are skipped and their names carry the reason; in CI, where the script
 * could have installed it, that is a failure.
 */
export function describeWithService<Name extends ServiceName>(
  name: Name,
  title: string,
  define: (service: ServiceAccess[Name]) => void,
): void {
  describe(title, async () => {
    const answer = await askBroker(inject('servicesBroker'), name)
    if (answer.kind === 'granted') return define(ACCESS[name](answer.url))
    if (answer.mustHave) return test('has its service', () => refuse(answer))
    describe.skip(`[skipped: ${answer.reason}]`, () => define(ACCESS[name]('')))
  })
}

/** Tests that need something else. `missing` says in words why they cannot run here; null runs them. */
export function describeUnless(missing: string | null, title: string, define: () => void): void {
  if (missing === null) describe(title, define)
  else describe.skip(`${title} [skipped: ${missing}]`, define)
}

const ACCESS: { readonly [Name in ServiceName]: (url: string) => ServiceAccess[Name] } = {
  postgres: (url) => ({ url, database: () => createDatabase(url) }),
  mariadb: (url) => ({ url, database: () => createMariadb(url) }),
  kafka: (address) => ({ address }),
  'kafka-jars': (jars) => ({ jars, start: (options) => startKafkaBroker({ ...options, jars }) }),
  chromium: (path) => ({ path }),
  sqlserver: (url) => ({ url }),
}

function refuse(answer: Answer & { kind: 'refused' }): never {
  throw new Error(`${answer.reason}; CI is to install what its tests need`)
}

let databases = 0

/** Two files may run in two processes; the time only keeps apart what an earlier run left on a given server. */
function freshName(): string {
  databases += 1
  return `erpgw_${process.pid}_${databases}_${Date.now().toString(36)}`
}

async function createDatabase(url: string): Promise<Database> {
  const name = freshName()
  await administer(url, `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`)
  const drop = (): Promise<void> => administer(url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
  return databaseAt(url, name, drop)
}

async function createMariadb(url: string): Promise<Database> {
  const name = freshName()
  // The collation is one that all versions of MySQL and MariaDB have; it ignores case.
  await administerMariadb(url, `CREATE DATABASE ${name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`)
  return databaseAt(url, name, () => administerMariadb(url, `DROP DATABASE IF EXISTS ${name}`))
}

function databaseAt(url: string, name: string, drop: () => Promise<void>): Database {
  const own = new URL(url)
  own.pathname = `/${name}`
  return { url: own.href, name, drop, [Symbol.asyncDispose]: drop }
}

async function administerMariadb(url: string, statement: string): Promise<void> {
  const connection = await createConnection(url)
  try {
    await connection.query(statement)
  } finally {
    await connection.end()
  }
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
