import { connect as connectSocket, type Socket } from 'node:net'
import type { config as Config, ConnectionPool, IColumnMetadata, IResult } from 'mssql'
import type { Context } from '../../contract.ts'
import { AdapterError } from '../../errors.ts'
import type { Link } from '../link.ts'
import { CONNECT_MS, createLink, END_MS, GRACE_MS } from '../link.ts'
import type { Row, Rows, Snapshot, Transport } from '../transport.ts'
import { UTF8_COLLATION } from './checksums.ts'
import { sqlServerDialect } from './dialect.ts'
import { insistOnEncryption } from './encryption.ts'
import { asAdapterError } from './errors.ts'
import { textOfFloat } from './floats.ts'
import { notesOf } from './notes.ts'
import type { SqlServerConnection } from './settings.ts'
import { typeName } from './values.ts'

type Library = typeof import('mssql')

/**
 * Connects to SQL Server by one connection. Values come as texts that the statements make, or as the bytes of a float:
 * the library would make a double of a decimal and a Date of a local time.
 */
export async function connect(
  settings: SqlServerConnection,
  context: Context,
  signal: AbortSignal,
): Promise<Transport> {
  refuseOutdated(settings, context.runtime.wall())
  const address = await context.resolve(settings.host, signal)
  const { default: library } = await import('mssql')
  const { link, pinned } = openLink(library, settings, context, address)
  // The pool tries a connection first, and makes its own afterwards.
  await link.run((pool) => pool.connect(), CONNECT_MS, signal)
  await link.run((pool) => pool.request().batch(PINS), CONNECT_MS, signal)
  pinned()
  const facts = await readFacts(link, signal)
  const dialect = sqlServerDialect({
    wall: () => context.runtime.wall(),
    hasRowVersions: facts.hasRowVersions,
    knowsUtf8: facts.knowsUtf8,
    notes: notesOf(settings, address, facts),
  })
  const level = library.ISOLATION_LEVEL[facts.allowsSnapshots ? 'SNAPSHOT' : 'READ_COMMITTED']
  const ms = settings.statementTimeout + GRACE_MS
  return {
    dialect,
    async snapshot(aborts): Promise<Snapshot> {
      const transaction = await link.run((pool) => pool.transaction().begin(level), ms, aborts)
      return {
        ...(facts.allowsSnapshots ? {} : { moves: true as const }),
        async query(text, parameters, aborting) {
          const request = transaction.request()
          for (const [index, value] of parameters.entries())
            request.input(`p${index + 1}`, library.NVarChar(lengthOf(library, value)), value)
          return rowsOf(await link.run(() => request.query<[Value[]]>(text), ms, aborting))
        },
        async end() {
          const never = new AbortController().signal
          await link.run(() => transaction.rollback(), END_MS, never).catch(() => undefined)
        },
      }
    },
    close: () => link.close(),
  }
}

/** Of a lock we wait five seconds, and where a deadlock must have a victim it is not the ERP. */
const PINS = 'SET LOCK_TIMEOUT 5000; SET DEADLOCK_PRIORITY LOW'

/** What a database is like, which its DBA seldom changes. */
export type Facts = Readonly<{
  /** ALLOW_SNAPSHOT_ISOLATION: a transaction may see one state of the database. */
  allowsSnapshots: boolean
  /** READ_COMMITTED_SNAPSHOT: a statement sees one, and waits for nobody. */
  readsVersions: boolean
  hasRowVersions: boolean
  /** It can write a text in UTF-8, as the gateway does: SQL Server 2019 and later. */
  knowsUtf8: boolean
}>

async function readFacts(link: Link<ConnectionPool>, signal: AbortSignal): Promise<Facts> {
  const text = `SELECT CAST(d.snapshot_isolation_state AS int), CAST(d.is_read_committed_snapshot_on AS int),
      CASE WHEN EXISTS (SELECT 1 FROM sys.columns c JOIN sys.tables t ON t.object_id = c.object_id WHERE c.system_type_id = 189) THEN 1 ELSE 0 END,
      CAST(COLLATIONPROPERTY('${UTF8_COLLATION}', 'CodePage') AS int)
    FROM sys.databases d WHERE d.database_id = DB_ID()`
  const { rows } = rowsOf(await link.run((pool) => pool.request().query<[Value[]]>(text), CONNECT_MS, signal))
  const [snapshots, versions, rowVersions, codePage] = rows[0] ?? []
  return {
    allowsSnapshots: snapshots === '1',
    readsVersions: versions === '1',
    hasRowVersions: rowVersions === '1',
    knowsUtf8: codePage === '65001',
  }
}

function refuseOutdated({ host, port, tls }: SqlServerConnection, wall: number): void {
  const today = new Date(wall).toISOString().slice(0, 10)
  if (tls?.until === undefined || today <= tls.until) return
  throw new AdapterError(
    'ADAPTER_CONFIG_INVALID',
    `${tls.minimum} was taken of ${host}:${port} until ${tls.until}; renew the server's TLS, or set \`tls.until\` anew.`,
  )
}

type State = {
  socket: Socket | null
  /** The connection that all statements use is made. */
  isPinned: boolean
  /** Why we hung up before the login. */
  refusal: Error | null
  /** By what it died between two calls. */
  broken: Error | null
  loginNumber: number | null
}

const ENDED = new Error('the connection ended')

function openLink(
  library: Library,
  settings: SqlServerConnection,
  context: Context,
  address: string,
): Readonly<{ link: Link<ConnectionPool>; pinned(): void }> {
  const target = `${settings.host}:${settings.port}`
  const password = settings.password === undefined ? undefined : context.secret(settings.password)
  const state: State = { socket: null, isPinned: false, refusal: null, broken: null, loginNumber: null }
  const config = configOf(settings, context, address)
  const pool = new library.ConnectionPool({
    ...config,
    ...(password === undefined ? {} : { password }),
    options: {
      ...config.options,
      async connector() {
        // Later the pool would quietly make another one, without the pins.
        if (state.isPinned) throw ENDED
        state.socket = await opened(settings.port, address)
        const refuse = (why: Error) => {
          state.refusal = why
        }
        if (settings.encrypt) insistOnEncryption(state.socket, refuse)
        return state.socket
      },
    },
    beforeConnect(connection) {
      connection.on('errorMessage', ({ number }) => {
        state.loginNumber = number
      })
      connection.on('end', () => {
        if (state.isPinned) state.broken ??= ENDED
      })
    },
  })
  // Without a listener, a connection that dies between two calls would end the process.
  pool.on('error', (error: Error) => {
    state.broken ??= error
  })
  const link = createLink({
    client: pool,
    target,
    runtime: context.runtime,
    cut: () => state.socket?.destroy(),
    // The pool would wait for a transaction that nobody can end any more.
    end: async () => (state.socket?.destroyed === true ? undefined : pool.close()),
    broken: () => state.broken,
    asError: (error) =>
      asAdapterError(state.refusal ?? error, { target, password, loginNumber: state.loginNumber }),
  })
  return {
    link,
    pinned() {
      state.isPinned = true
    },
  }
}

function configOf(settings: SqlServerConnection, context: Context, address: string): Config {
  const { tls } = settings
  const minimum = tls?.minimum ?? 'TLSv1.2'
  return {
    server: address,
    port: settings.port,
    database: settings.database,
    user: settings.user,
    connectionTimeout: CONNECT_MS,
    requestTimeout: settings.statementTimeout,
    arrayRowMode: true,
    validateConnection: 'socket',
    pool: { max: 1, idleTimeoutMillis: 2 ** 31 - 1 },
    options: {
      appName: 'erp-gateway',
      // Whether and when to try again is the lane's to say.
      maxRetriesOnTransientErrors: 0,
      encrypt: settings.encrypt,
      trustServerCertificate: false,
      serverName: tls?.name ?? settings.host,
      readOnlyIntent: settings.readOnlyIntent,
      // What a text means as a time must not hang on the language of the login.
      language: 'us_english',
      dateFormat: 'ymd',
      cryptoCredentialsDetails: {
        minVersion: minimum === 'TLSv1.0' ? 'TLSv1' : minimum,
        ...(tls?.ca === undefined ? {} : { ca: context.secret(tls.ca) }),
        // The keys and digests of such servers are as old as their protocol.
        ...(minimum === 'TLSv1.2' ? {} : { ciphers: 'DEFAULT@SECLEVEL=0' }),
      },
    },
  }
}

function opened(port: number, host: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ port, host, noDelay: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}

/** Two lengths only, or the server would keep a plan for each length of a value. */
function lengthOf(library: Library, value: string | null): number {
  return value !== null && value.length > 4000 ? library.MAX : 4000
}

type Value = string | number | boolean | Buffer | Date | null

function rowsOf(result: IResult<[Value[]]>): Rows {
  const { recordset } = result
  return { columns: columnsOf(recordset.columns), rows: recordset.map(textsOf) }
}

/** An array with `arrayRowMode`, in the order of the statement. */
function columnsOf(metadata: IColumnMetadata): Rows['columns'] {
  return Object.values(metadata).map(({ name, type, length, precision, scale, udt }) => ({
    name,
    type: typeName({
      base: 'declaration' in type ? String(type.declaration) : 'unknown',
      length,
      precision,
      scale,
      udt: udt?.name,
    }),
  }))
}

function textsOf(row: readonly Value[]): Row {
  return row.map((value) => {
    if (value === null || typeof value === 'string') return value
    // Numbers are those that our own statements count with.
    if (typeof value === 'number') return String(value)
    if (Buffer.isBuffer(value)) return textOfFloat(value)
    throw new Error(
      'The client library made something else of a value than text; the statement must cast it.',
    )
  })
}
