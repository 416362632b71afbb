import { isIP } from 'node:net'
import type { Client, ClientConfig, QueryArrayResult } from 'pg'
import type { Context } from '../contract.ts'
import { AdapterError } from '../errors.ts'
import { postgresDialect } from './postgres-dialect.ts'
import { asAdapterError } from './postgres-errors.ts'
import type { PostgresConnection } from './settings.ts'
import type { Rows, Snapshot, Transport } from './transport.ts'

/** Over the server's own limit, so that the server usually ends a statement first and says so. */
const GRACE_MS = 5_000
const CONNECT_MS = 15_000
const END_MS = 5_000

/**
 * Connects to PostgreSQL and pins everything about the session that changes how values are written. Values come as
 * the text that the server writes: no parser of the client ever sees them.
 */
export async function connectPostgres(
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
  const link = createLink(client, settings, context, password)
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

/** One connection: every call has a deadline that cuts the socket, since nothing else ends a wait on a dead peer. */
type Link = Readonly<{
  run<Result>(call: (driver: Client) => Promise<Result>, ms: number, signal: AbortSignal): Promise<Result>
  close(): Promise<void>
}>

function createLink(
  client: Client,
  settings: PostgresConnection,
  context: Context,
  password: string | undefined,
): Link {
  const target = `${settings.host}:${settings.port}`
  let broken: Error | null = null
  // Without a listener, a connection that dies between two calls would end the process.
  client.on('error', (error: Error) => {
    broken ??= error
  })
  const cut = () => client.connection.stream.destroy()
  return {
    async run(call, ms, signal) {
      signal.throwIfAborted()
      if (broken !== null) throw asAdapterError(broken, target, password)
      const deadline = context.runtime.deadline(ms)
      const either = AbortSignal.any([signal, deadline])
      either.addEventListener('abort', cut, { once: true })
      try {
        return await call(client)
      } catch (error) {
        signal.throwIfAborted()
        if (deadline.aborted)
          throw new AdapterError(
            'ADAPTER_TIMEOUT',
            `${target} gave no answer within ${ms} ms; is the server overloaded or the network cut?`,
            { cause: error, details: { ms } },
          )
        throw asAdapterError(error, target, password)
      } finally {
        either.removeEventListener('abort', cut)
      }
    },
    async close() {
      const deadline = context.runtime.deadline(END_MS)
      deadline.addEventListener('abort', cut, { once: true })
      try {
        await client.end()
      } finally {
        deadline.removeEventListener('abort', cut)
      }
    },
  }
}

function createTransport(link: Link, settings: PostgresConnection): Transport {
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
