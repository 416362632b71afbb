import { connect as connectSocket, isIP } from 'node:net'
import type { Connection, FieldPacket, SslOptions } from 'mysql2'
import type { Context } from '../../contract.ts'
import type { Link } from '../link.ts'
import { CONNECT_MS, createLink, END_MS, GRACE_MS } from '../link.ts'
import type { Row, Rows, Snapshot, Transport } from '../transport.ts'
import { mysqlDialect } from './dialect.ts'
import { asAdapterError } from './errors.ts'
import { inOrder } from './placeholders.ts'
import type { MysqlConnection } from './settings.ts'
import type { Collation } from './values.ts'
import { typeName } from './values.ts'

/** Connects to MySQL or MariaDB and pins everything about the session that changes how values are read and written. */
export async function connect(
  settings: MysqlConnection,
  context: Context,
  signal: AbortSignal,
): Promise<Transport> {
  const address = await context.resolve(settings.host, signal)
  const password = settings.password === undefined ? undefined : context.secret(settings.password)
  const ssl = tlsOf(settings, context)
  const { createConnection } = await import('mysql2')
  const name = settings.tls?.name ?? settings.host
  const client = createConnection({
    // The certificate is compared with this; where to connect to is up to the socket.
    host: name,
    stream: () => socketTo(address, settings.port, name),
    database: settings.database,
    user: settings.user,
    ...(password === undefined ? {} : { password }),
    ...(ssl === undefined ? {} : { ssl }),
    connectTimeout: CONNECT_MS,
    charset: 'utf8mb4_general_ci',
    rowsAsArray: true,
    dateStrings: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    maxPreparedStatements: STATEMENTS_KEPT,
    multipleStatements: false,
    flags: ['-LOCAL_FILES'],
  })
  const link = linkOf(client, settings, context, password)
  await link.run((driver) => driver.promise().connect(), CONNECT_MS, signal)
  const version = String((await textRows(link, 'SELECT VERSION()', signal))[0]?.[0] ?? '')
  for (const pin of pins(settings, version))
    await link.run((driver) => driver.promise().query(pin), CONNECT_MS, signal)
  const collations = await collationsOf(link, version, signal)
  const isOpen = settings.tls === undefined && !/^(127\.|::1$)/.test(address)
  return createTransport(link, settings, collations, isOpen)
}

/** The server keeps each until we let it go, and its store is one for all clients. */
const STATEMENTS_KEPT = 16

function tlsOf({ tls }: MysqlConnection, context: Context): SslOptions | undefined {
  if (tls === undefined) return undefined
  const ca = tls.ca === undefined ? {} : { ca: context.secret(tls.ca) }
  return { rejectUnauthorized: true, verifyIdentity: true, ...ca }
}

function socketTo(address: string, port: number, name: string) {
  const socket = connectSocket({ host: address, port, noDelay: true, keepAlive: true })
  // An address stands in no SNI, and mysql2 names none: then Node compares the certificate with this, or with
  // `localhost`, which no certificate of a server bears.
  return isIP(name) === 0 ? socket : Object.assign(socket, { _host: name })
}

/** Statements, one each, that pin a session. */
function pins(settings: MysqlConnection, version: string): readonly string[] {
  const isMariadb = /mariadb/i.test(version)
  const ms = settings.statementTimeout
  return [
    // No mode: zero dates are dates, and nothing that is compared with one is an error.
    "SET SESSION sql_mode = '', time_zone = '+00:00'",
    'SET NAMES utf8mb4 COLLATE utf8mb4_general_ci',
    // Then columns are described with their own collations. Values are cast to utf8mb4 by each statement.
    'SET SESSION character_set_results = NULL',
    'SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ',
    'SET SESSION innodb_lock_wait_timeout = 5, lock_wait_timeout = 5, wait_timeout = 28800',
    isMariadb ? `SET SESSION max_statement_time = ${ms / 1000}` : `SET SESSION max_execution_time = ${ms}`,
  ]
}

/** Collations by the number under which the protocol names them; MariaDB keeps those of later versions elsewhere. */
async function collationsOf(
  link: Link<Connection>,
  version: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, Collation>> {
  const ofSets = 'JOIN information_schema.character_sets s ON s.character_set_name = c.character_set_name'
  const [, major = '0', minor = '0'] = /^(?:5\.5\.5-)?(\d+)\.(\d+)/.exec(version) ?? []
  const isLater = /mariadb/i.test(version) && (Number(major) > 10 || Number(minor) >= 10)
  const query = isLater
    ? `SELECT c.id, c.full_collation_name, s.maxlen FROM information_schema.collation_character_set_applicability c ${ofSets}`
    : `SELECT c.id, c.collation_name, s.maxlen FROM information_schema.collations c ${ofSets}`
  const rows = await textRows(link, query, signal)
  return new Map(
    rows.map(([id, name, bytesMax]) => [Number(id), { name: name ?? '', bytesMax: Number(bytesMax) }]),
  )
}

function linkOf(
  client: Connection,
  settings: MysqlConnection,
  context: Context,
  password: string | undefined,
): Link<Connection> {
  const target = `${settings.host}:${settings.port}`
  let broken: unknown = null
  // Without a listener, a connection that dies between two calls would end the process.
  client.on('error', (error: unknown) => {
    broken ??= error
  })
  return createLink({
    client,
    target,
    runtime: context.runtime,
    cut: () => client.destroy(),
    end: () => client.promise().end(),
    broken: () => broken,
    asError: (error) => asAdapterError(error, target, password),
  })
}

function createTransport(
  link: Link<Connection>,
  settings: MysqlConnection,
  collations: ReadonlyMap<number, Collation>,
  isOpen: boolean,
): Transport {
  const ms = settings.statementTimeout + GRACE_MS
  const say = (text: string, signal: AbortSignal) =>
    link.run((driver) => driver.promise().query(text), ms, signal)
  return {
    dialect: mysqlDialect({ isOpen }),
    async snapshot(signal): Promise<Snapshot> {
      await say('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY', signal)
      return {
        async query(text, parameters, aborts) {
          const values = inOrder(text, parameters)
          // What has parameters is prepared, so that the server and nobody else puts them in their places. What has
          // none is not: it would be sent twice for nothing.
          const [rows, fields] = await link.run(
            (driver) =>
              values.length === 0 ? driver.promise().query(text) : driver.promise().execute(text, values),
            ms,
            aborts,
          )
          return answerOf(rows, fields, collations)
        },
        async end() {
          const never = new AbortController().signal
          await link.run((driver) => driver.promise().query('ROLLBACK'), END_MS, never).catch(() => undefined)
        },
      }
    },
    close: () => link.close(),
  }
}

async function textRows(link: Link<Connection>, text: string, signal: AbortSignal): Promise<readonly Row[]> {
  const [rows] = await link.run((driver) => driver.promise().query(text), CONNECT_MS, signal)
  return rowsOf(rows)
}

function answerOf(
  rows: unknown,
  fields: readonly FieldPacket[],
  collations: ReadonlyMap<number, Collation>,
): Rows {
  const columns = fields.map((field) => ({ name: field.name, type: typeName(markOf(field), collations) }))
  return { columns, rows: rowsOf(rows) }
}

function markOf(field: FieldPacket) {
  const { columnType, columnLength, decimals, flags, characterSet } = field
  return {
    code: columnType ?? 6,
    length: columnLength ?? 0,
    decimals: decimals ?? 0,
    flags: Number(flags),
    collation: characterSet ?? 0,
  }
}

function rowsOf(rows: unknown): readonly Row[] {
  return Array.isArray(rows) ? rows.map((row: readonly unknown[]) => row.map(textOf)) : []
}

/** Values are texts by the statement. What counts rows or says yes or no, mysql2 makes a number. */
function textOf(value: unknown): string | null {
  if (value === null || typeof value === 'string') return value
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value)
  throw new TypeError(`The driver gave a ${typeof value} where a statement was to give a text.`)
}
