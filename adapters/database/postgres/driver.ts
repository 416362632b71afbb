import { isIP } from 'node:net'
import type { Client, ClientConfig, QueryArrayResult } from 'pg'
import type { Context } from '../../contract.ts'
import type { Link } from '../link.ts'
import { CONNECT_MS, createLink, END_MS, GRACE_MS } from '../link.ts'
import type { Rows, Snapshot, Transport } from '../transport.ts'
import { postgresDialect } from './dialect.ts'
import { asAdapterError } from './errors.ts'
import type { PostgresConnection } from './settings.ts'

/**
 * Connects to PostgreSQL and pins everything about the session that changes how values are written. Values come as
 * the text that the server writes: no parser of the client ever sees them.
 */
export async function connect(
  settings: PostgresConnection,
  context: Context,
  signal: AbortSignal,
): Promise<Transport> {
  const address = await context.resolve(settings.host, signal)
  const password = settings.password === undefined ? undefined : context.secret(settings.password)
  const ssl = tlsOf(settings, context)
  const { default: pg } = await import('pg')
  const client = new pg.Client({
    host: address,
    port: settings.port,
    database: settings.database,
    user: settings.user,
    ...(password === undefined ? {} : { password }),
    ssl,
    application_name: 'erp-gateway',
    keepAlive: true,
    types: { getTypeParser: () => (text: string) => text },
  })
  const link = linkOf(client, settings, context, password)
  await link.run((driver) => driver.connect(), CONNECT_MS, signal)
  await link.run((driver) => driver.query(PINS, pinned(settings)), CONNECT_MS, signal)
  return createTransport(link, settings)
}

function tlsOf(settings: PostgresConnection, context: Context): ClientConfig['ssl'] {
  const { tls } = settings
  if (tls === undefined) return false
  const name = tls.name ?? settings.host
  return {
    rejectUnauthorized: true,
    // An address stands in no SNI; the certificate is compared with it all the same.
    ...(isIP(name) === 0 ? { servername: name } : { host: name }),
    ...(tls.ca === undefined ? {} : { ca: context.secret(tls.ca) }),
  }
}

/** Settings that the server does not know (an older one) are left out instead of failing. */
const PINS = `SELECT set_config(p.name, p.value, false)
  FROM unnest($1::text[], $2::text[]) AS p(name, value) JOIN pg_settings s ON s.name = p.name`

function pinned(settings: PostgresConnection): [string[], string[]] {
  const pins = {
    default_transaction_read_only: 'on',
    TimeZone: 'UTC',
    DateStyle: 'ISO, YMD',
    IntervalStyle: 'iso_8601',
    extra_float_digits: '3',
    bytea_output: 'hex',
    lc_monetary: 'C',
    statement_timeout: String(settings.statementTimeout),
    lock_timeout: '5000',
    idle_in_transaction_session_timeout: '60000',
    // So that the server notices soon when we hung up in the middle of a statement.
    client_connection_check_interval: '5000',
  }
  return [Object.keys(pins), Object.values(pins)]
}

function linkOf(
  client: Client,
  settings: PostgresConnection,
  context: Context,
  password: string | undefined,
): Link<Client> {
  const target = `${settings.host}:${settings.port}`
  let broken: Error | null = null
  // Without a listener, a connection that dies between two calls would end the process.
  client.on('error', (error: Error) => {
    broken ??= error
  })
  return createLink({
    client,
    target,
    runtime: context.runtime,
    cut: () => client.connection.stream.destroy(),
    end: () => client.end(),
    broken: () => broken,
    asError: (error) => asAdapterError(error, target, password),
  })
}

function createTransport(link: Link<Client>, settings: PostgresConnection): Transport {
  const ms = settings.statementTimeout + GRACE_MS
  return {
    dialect: postgresDialect,
    async snapshot(signal): Promise<Snapshot> {
      await link.run((driver) => driver.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY'), ms, signal)
      return {
        async query(text, parameters, aborts) {
          const result = await link.run(
            (driver) => driver.query<(string | null)[]>({ text, values: [...parameters], rowMode: 'array' }),
            ms,
            aborts,
          )
          return rowsOf(result)
        },
        async end() {
          const never = new AbortController().signal
          await link.run((driver) => driver.query('ROLLBACK'), END_MS, never).catch(() => undefined)
        },
      }
    },
    close: () => link.close(),
  }
}

function rowsOf(result: QueryArrayResult<(string | null)[]>): Rows {
  return {
    columns: result.fields.map(({ name, dataTypeID, dataTypeModifier }) => ({
      name,
      type: `${dataTypeID}:${dataTypeModifier}`,
    })),
    rows: result.rows,
  }
}
