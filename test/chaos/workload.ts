import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { contentOf, type RowVersion } from '../kit/checkers/facts.ts'
import type { Random } from '../kit/random.ts'

/** What was committed in the source, by record key. */
export type Truth = ReadonlyMap<string, readonly RowVersion[]>

export type Workload = Readonly<{ stop(): Promise<Truth>; writes(): number }>

/** Keys of each table: few, so that each changes often. */
const KEYS = 60

/** Writes to both tables, and drops files, until it is stopped. Every write carries a mark of its own. */
export async function startWorkload(
  databaseUrl: string,
  dropFolder: string,
  random: Random,
): Promise<Workload> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(WORKLOAD_TABLES)
  const truth = new Map<string, RowVersion[]>()
  const state = { isStopping: false, writes: 0 }
  const drop = createDrops(dropFolder, truth, random)
  const write = async () => {
    const table = random.chance(0.5) ? 'touched' : 'plain'
    const code = `${table}-${random.below(KEYS)}`
    const versions = truth.get(recordKey(code)) ?? []
    truth.set(recordKey(code), versions)
    const isThere = versions.at(-1)?.kind === 'value'
    state.writes += 1
    // Only the feed that reads everything can see deletions; a touched table never loses a row here.
    if (isThere && table === 'plain' && random.chance(0.2)) {
      await client.query(`DELETE FROM ${table} WHERE code = $1`, [code])
      versions.push({ at: 0, kind: 'gone' })
      return
    }
    const mark = `mark ${state.writes}`
    await client.query(
      `INSERT INTO ${table} (code, mark, flag) VALUES ($1, $2, $3)
       ON CONFLICT (code) DO UPDATE SET mark = excluded.mark, flag = excluded.flag, updated_at = clock_timestamp()`,
      [code, mark, random.chance(0.5) ? 'A' : 'B'],
    )
    versions.push({ at: 0, kind: 'value', content: contentOf({ mark }) })
  }
  const loop = (async () => {
    while (!state.isStopping) {
      await write()
      if (random.chance(0.02)) state.writes += drop()
      await new Promise((resolve) => setTimeout(resolve, random.below(8)))
    }
  })()
  return {
    writes: () => state.writes,
    async stop() {
      state.isStopping = true
      await loop
      await client.end()
      return truth
    },
  }
}

/** Drops files with new states of some records, each renamed into place; every call returns how many it wrote. */
function createDrops(folder: string, truth: Map<string, RowVersion[]>, random: Random): () => number {
  mkdirSync(folder, { recursive: true })
  let files = 0
  return () => {
    files += 1
    const lines = Array.from({ length: 1 + random.below(40) }, (_, line) => {
      const code = `dropped-${random.below(KEYS)}`
      const mark = `file ${files} line ${line}`
      const versions = truth.get(recordKey(code)) ?? []
      truth.set(recordKey(code), [...versions, { at: 0, kind: 'value', content: contentOf({ mark }) }])
      return `${code},${mark},A`
    })
    const path = join(folder, `drop-${String(files).padStart(6, '0')}.csv`)
    writeFileSync(`${path}.tmp`, ['code,mark,flag', ...lines, ''].join('\n'))
    renameSync(`${path}.tmp`, path)
    return lines.length
  }
}

export const WORKLOAD_TABLES = `
  CREATE TABLE touched (code text PRIMARY KEY, mark text NOT NULL, flag text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp());
  CREATE INDEX ON touched (updated_at, code);
  CREATE TABLE plain (code text PRIMARY KEY, mark text NOT NULL, flag text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp());`

function recordKey(code: string): string {
  return `chaos/001/${code}`
}

/** The lines about the log of a config that has it in its own data folder. */
export const EMBEDDED_LOG = '{ driver: embedded, partitions: 3 }'

/** The config of a gateway that reads it, and its mapping. `log`: the lines of the config about the log. */
export function workloadFiles(databaseUrl: string, log: string, drop = './drop'): Record<string, string> {
  const { hostname, port, username, pathname } = new URL(databaseUrl)
  return {
    'gateway.yaml': `
companies:
  001: { name: Chaos, currency: HKD, zone: UTC }
data: ./data
log: ${log}
mappings: [./mappings]
sources:
  erp:
    kind: database
    system: chaos
    company: 001
    zone: UTC
    connection: { engine: postgres, host: ${hostname}, port: ${port}, database: ${pathname.slice(1)}, user: ${username}, password: env:CHAOS_PASSWORD }
    poll: { every: 100ms }
    feeds:
      touched:
        mapping: chaos/item
        table: touched
        key: [code]
        cursor: { strategy: watermark, columns: [updated_at], overlap: 5s }
      plain:
        mapping: chaos/item
        table: plain
        key: [code]
        cursor: { strategy: snapshot }
        fuse: { deleted: 100% }
  files:
    kind: file-drop
    system: chaos
    company: 001
    zone: UTC
    connection: { transport: folder, path: ${drop} }
    poll: { every: 100ms }
    feeds:
      dropped:
        mapping: chaos/item
        files: "drop-*.csv"
        format: { kind: csv, encoding: utf-8, header: first-row }
        key: [code]
        content: partial
        finished: { by: rename }
        cursor: { strategy: files, order: name }
`,
    'mappings/chaos/item.yaml': `
mapping: chaos/item
entity: item
version: 1
key: [code]
fields:
  item: { from: code, as: code, name: mark }
  group: { from: flag, as: code }
`,
  }
}
