import pg from 'pg'
import type { Random } from '../kit/random.ts'

/**
 * A busy ERP on PostgreSQL: one table of documents, whose writers commit late, write many rows at one moment, have
 * clocks that step back, and live through a night in which the clocks of their zone are put back.
 */
export type LateWorld = Readonly<{
  /** Accounts of the feeds, each with the password `read`. */
  reader: string
  monitor: string
  night: string
  /** Writes until so many changes are committed; resolves when every transaction has ended. */
  write(changes: number): Promise<number>
  close(): Promise<void>
}>

export const WRITERS = 16

/** Transactions that stay open for long, at any time. */
const LATE_WRITERS = 8

/** Documents that everybody writes, of which the first go to and fro between two contents. */
const SHARED_DOCUMENTS = 20_000
const FICKLE_DOCUMENTS = 200

/** Documents of the late transactions lie above. */
export const LATE_FROM = 1_000_000

/** The zone of the column without a zone, and the moment at which its clocks are put back. */
export const NIGHT_ZONE = 'Europe/Berlin'
const NIGHT_AT = Date.UTC(2026, 9, 25, 1)

export type LateOptions = Readonly<{
  /** Transactions are late by up to this; one of a hundred by a fifth more. */
  windowMs: number
  random: Random
  /** The night comes so long after the beginning. */
  nightAfterMs: number
}>

export async function makeLateWorld(databaseUrl: string, options: LateOptions): Promise<LateWorld> {
  const admin = await connected(databaseUrl)
  const name = new URL(databaseUrl).pathname.slice(1)
  const roles = { reader: `reader_${name}`, monitor: `monitor_${name}`, night: `night_${name}` }
  const shiftMs = NIGHT_AT - Date.now() - options.nightAfterMs
  await admin.query(tables(shiftMs))
  for (const role of Object.values(roles))
    await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'read'; GRANT SELECT ON doc TO ${role}`)
  await admin.query(`GRANT pg_read_all_stats TO ${roles.monitor}`)
  // To this account the database's clock is that of the night: its own function stands before the built-in one.
  await admin.query(
    `GRANT USAGE ON SCHEMA night TO ${roles.night}; ALTER ROLE ${roles.night} SET search_path = night, pg_catalog, public`,
  )
  return {
    ...roles,
    write: (changes) => writeAll(databaseUrl, changes, options),
    async close() {
      for (const role of Object.values(roles)) await admin.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
      await admin.end()
    },
  }
}

function tables(shiftMs: number): string {
  return `
CREATE SCHEMA night;
CREATE FUNCTION night.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
  $$ SELECT pg_catalog.clock_timestamp() + interval '${shiftMs} milliseconds' $$;
CREATE TABLE doc (no int PRIMARY KEY, content text NOT NULL, grp text NOT NULL DEFAULT '0010',
  changed timestamptz NOT NULL, local timestamp NOT NULL);
CREATE INDEX ON doc (changed, no); CREATE INDEX ON doc (local, no);
CREATE TABLE history (id bigserial PRIMARY KEY, no int NOT NULL, content text, at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO history (no, content) VALUES (coalesce(new.no, old.no), new.content); RETURN NULL; END $$;
CREATE TRIGGER remember AFTER INSERT OR UPDATE OR DELETE ON doc FOR EACH ROW EXECUTE FUNCTION remember();
CREATE FUNCTION night_of(at timestamptz) RETURNS timestamp LANGUAGE sql STABLE AS
  $$ SELECT (at + interval '${shiftMs} milliseconds') AT TIME ZONE '${NIGHT_ZONE}' $$`
}

const SAVE = `INSERT INTO doc (no, content, changed, local) SELECT no, $2, at.at, night_of(at.at)
  FROM unnest($1::int[]) no, (SELECT coalesce($3::timestamptz, clock_timestamp()) AS at) at ORDER BY no
  ON CONFLICT (no) DO UPDATE SET content = excluded.content, changed = excluded.changed, local = excluded.local`

async function writeAll(url: string, changes: number, options: LateOptions): Promise<number> {
  const state = { left: changes, written: 0 }
  if (changes === 1) return writeOne(url)
  const writers = Array.from({ length: WRITERS }, (_, writer) => writeSoon(url, writer, state, options))
  const late = Array.from({ length: LATE_WRITERS }, (_, writer) => writeLate(url, writer, state, options))
  await Promise.all([...writers, ...late])
  return state.written
}

/** A document that nobody else writes. */
async function writeOne(url: string): Promise<number> {
  const client = await connected(url)
  await client.query(SAVE, [[SHARED_DOCUMENTS], 'first', null])
  await client.end()
  return 1
}

type WriteState = { left: number; written: number }

/** Inserts, updates, deletes and returns, each committed at once; now and then many rows with one time stamp. */
async function writeSoon(
  url: string,
  writer: number,
  state: WriteState,
  { random: all }: LateOptions,
): Promise<void> {
  const random = all.fork(`writer ${writer}`)
  const client = await connected(url)
  for (let turn = 0; state.left > 0; turn += 1) {
    const no = random.below(SHARED_DOCUMENTS)
    if (random.chance(0.1)) {
      await client.query('DELETE FROM doc WHERE no = $1', [no])
      state.left -= 1
      state.written += 1
      continue
    }
    const nos = random.chance(0.02) ? [0, 1, 2, 3, 4].map((step) => (no + step * 7) % SHARED_DOCUMENTS) : [no]
    const content = no < FICKLE_DOCUMENTS ? (turn % 2 === 0 ? 'A' : 'B') : `${writer}.${turn}`
    // Some applications bring their own clock, which is set back now and then.
    const own = writer % 4 === 3 ? new Date(Date.now() - (Math.floor(turn / 50) % 2) * 3_000) : null
    await client.query(SAVE, [[...new Set(nos)].sort((a, b) => a - b), content, own])
    state.left -= nos.length
    state.written += nos.length
  }
  await client.end()
}

/** Transactions that write, wait, and commit: no poll sees their rows before that, and their time stamps are old by then. */
async function writeLate(
  url: string,
  writer: number,
  state: WriteState,
  { random: all, windowMs }: LateOptions,
): Promise<void> {
  const random = all.fork(`late writer ${writer}`)
  const client = await connected(url)
  for (let turn = 0; state.left > 0; turn += 1) {
    const no = LATE_FROM + writer * 1_000 + random.below(50)
    // The first of each writer is later than the window, and one of a hundred after it.
    const isBeyond = turn === 0 || random.chance(0.01)
    const lateMs = isBeyond ? windowMs * 1.2 : random.below(windowMs * 0.9) * random.float()
    await client.query('BEGIN')
    await client.query(SAVE, [[no, no + 500], `late ${writer}.${turn}${isBeyond ? ' beyond' : ''}`, null])
    await new Promise((resolve) => setTimeout(resolve, lateMs))
    await client.query('COMMIT')
    state.left -= 2
    state.written += 2
  }
  await client.end()
}

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  // The database is dropped over whoever is still connected where a run fails.
  client.on('error', () => undefined)
  await client.connect()
  return client
}
