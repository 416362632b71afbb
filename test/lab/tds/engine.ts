import { Duplex } from 'node:stream'
import { PGlite } from '@electric-sql/pglite'
import pg from 'pg'

/** What a statement gave: values as PostgreSQL writes them, and where each column comes from. */
export type Result = Readonly<{
  fields: readonly Readonly<{ name: string; table: number; column: number; oid: number }>[]
  rows: readonly (readonly (string | null)[])[]
  rowCount: number
}>

/** A session of the PostgreSQL that answers behind the server. */
export interface EngineSession {
  run(text: string, parameters?: readonly (string | Buffer | null)[]): Promise<Result>
  /** Ends the session; what it left open is undone. */
  close(): Promise<void>
}

export interface Engine {
  session(): Promise<EngineSession>
  stop(): Promise<void>
}

/**
 * PostgreSQL in memory. It has one session, which all share: a transaction that somebody left open is undone when the
 * next one begins.
 */
export async function startMemoryEngine(): Promise<Engine> {
  const database = await PGlite.create()
  const client = new pg.Client({
    ...CLIENT,
    user: 'postgres',
    database: 'postgres',
    stream: () => wireTo(database) as never,
  })
  await client.connect()
  await client.query(SESSION)
  return {
    session: async () => ({
      run: (text, parameters) => run(client, text, parameters),
      close: async () => {},
    }),
    async stop() {
      await client.end()
      await database.close()
    },
  }
}

/** A real PostgreSQL, each session with a connection of its own. */
export function createServerEngine(url: string): Engine {
  return {
    async session() {
      const client = new pg.Client({ ...CLIENT, connectionString: url })
      client.on('error', () => {})
      await client.connect()
      await client.query(SESSION)
      return {
        run: (text, parameters) => run(client, text, parameters),
        close: () => client.end(),
      }
    },
    stop: async () => {},
  }
}

/** The driver must make nothing of values: what arrives is what the server wrote. */
const CLIENT = { types: { getTypeParser: () => (text: string) => text } } as const

const SESSION = `SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET extra_float_digits = 3; SET bytea_output = 'hex';
  SET search_path = dbo, tds, public; SET client_min_messages = error`

async function run(
  client: pg.Client,
  text: string,
  parameters: readonly (string | Buffer | null)[] = [],
): Promise<Result> {
  const result = await client.query<(string | null)[]>({ text, values: [...parameters], rowMode: 'array' })
  const { fields = [], rows = [], rowCount } = Array.isArray(result) ? result.at(-1) : result
  return {
    fields: fields.map(({ name, tableID, columnID, dataTypeID }: pg.FieldDef) => ({
      name,
      table: tableID,
      column: columnID,
      oid: dataTypeID,
    })),
    rows,
    rowCount: rowCount ?? 0,
  }
}

const GOODBYE = 'X'.charCodeAt(0)

/** The bytes of PostgreSQL's protocol, without a socket: the client tells more of a column than PGlite's own does. */
function wireTo(database: PGlite): Duplex {
  const wire = new Duplex({
    read() {},
    writev(chunks, done) {
      const bytes = Buffer.concat(chunks.map(({ chunk }) => chunk))
      // At a goodbye the program in memory would end.
      if (bytes[0] === GOODBYE) return done()
      database.execProtocolRaw(bytes).then((answer) => {
        wire.push(Buffer.from(answer))
        done()
      }, done)
    },
    final(done) {
      wire.push(null)
      done()
    },
  })
  const connect = () => setImmediate(() => wire.emit('connect'))
  return Object.assign(wire, { connect, setNoDelay() {}, setKeepAlive() {}, ref() {}, unref() {} })
}
