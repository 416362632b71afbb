import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { expect } from 'vitest'
import type { Event } from '../../../gateway/event.ts'
import { decodeReject, type RejectRecord } from '../../../gateway/lane/reject-record.ts'
import { type Ended, type Installation, installation } from '../../kit/gateway-process.ts'
import { readEvents, readRecords } from '../../kit/log-reading.ts'
import type { Database, Postgres } from '../../kit/services.ts'

/** A shop with one table of articles and a folder into which files are dropped, and a gateway that reads both. */
export type Shop = Readonly<{
  folder: string
  gateway: Installation
  database: Database
  query(statement: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>
  /** Runs the gateway to its end; the exit code must be this. */
  runOnce(code?: number): Promise<Ended>
  /** Runs a command; the exit code must be this. */
  must(code: number, ...args: readonly string[]): Promise<Ended>
  /** Events of the log in order of their place. */
  events(): Promise<readonly Event[]>
  rejects(): Promise<readonly RejectRecord[]>
  write(name: string, text: string | Uint8Array): void
  [Symbol.asyncDispose](): Promise<void>
}>

export type ShopOptions = Readonly<{
  /** Instead of `configOf(…)`. */
  config?: (connection: string) => string
  environment?: Readonly<Record<string, string>>
}>

/** `await using` takes the folder and the database away at the end of the block. */
export async function openShop(postgres: Postgres, options: ShopOptions = {}): Promise<Shop> {
  const database = await postgres.database()
  const folder = mkdtempSync(join(tmpdir(), 'erpgw-shop-'))
  const client = new pg.Client({ connectionString: database.url })
  // Tests break connections on purpose.
  client.on('error', () => undefined)
  await client.connect()
  await client.query(TABLES)
  const url = new URL(database.url)
  const connection = `{ engine: postgres, host: ${url.hostname}, port: ${url.port}, database: ${database.name}, user: ${url.username}, password: env:SHOP_PASSWORD }`
  const files = {
    'gateway.yaml': (options.config ?? configOf)(connection),
    'mappings/shop/item.yaml': MAPPING,
    'drop/.keep': '',
  }
  const password = decodeURIComponent(url.password)
  const gateway = installation(folder, files, { SHOP_PASSWORD: password, ...options.environment })
  const must: Shop['must'] = async (code, ...args) => {
    const ended = await gateway.erpgw(...args)
    expect(ended.code, `erpgw ${args.join(' ')}\n${ended.err}${ended.out}`).toBe(code)
    return ended
  }
  return {
    folder,
    gateway,
    database,
    must,
    query: async (statement, values = []) => (await client.query(statement, [...values])).rows,
    runOnce: (code = 0) => must(code, 'run', '--once'),
    events: async () => (await readEvents(join(folder, 'data'), '')).map(({ event }) => event),
    rejects: async () =>
      (await readRecords(join(folder, 'data'), 'gateway.rejects')).flatMap(({ value }) =>
        value === null ? [] : [decodeReject(value)],
      ),
    write: (name, text) => writeFileSync(join(folder, name), text),
    async [Symbol.asyncDispose]() {
      await client.end()
      await database.drop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Articles `A0001` and on, all of group 0010. */
export async function addArticles(shop: Shop, count: number): Promise<void> {
  await shop.query(
    `INSERT INTO article SELECT 'A' || lpad(n::text, 6, '0'), 'Name ' || n, '0010', 1.50 FROM generate_series(1, $1::int) n`,
    [count],
  )
}

/** What events say of their item: code, name and group. */
export function said(event: Event): Readonly<{ name: unknown; group: unknown }> {
  const { item, group } = event.data as { item?: { name?: unknown }; group?: { code?: unknown } }
  return { name: item?.name, group: group?.code }
}

export function configOf(connection: string, more = ''): string {
  return `
companies:
  001: { name: Shop, currency: HKD, zone: Asia/Hong_Kong }
data: ./data
mappings: [./mappings]
${more}
sources:
  erp:
    kind: database
    system: shop
    company: 001
    zone: UTC
    connection: ${connection}
    poll: { every: 200ms }
    feeds:
      articles:
        mapping: shop/item
        table: article
        key: [code]
        cursor: { strategy: snapshot }
  files:
    kind: file-drop
    system: shop-files
    company: 001
    zone: UTC
    connection: { transport: folder, path: ./drop }
    poll: { every: 200ms }
    feeds:
      dropped:
        mapping: shop/item
        files: "*.csv"
        format: { kind: csv, encoding: utf-8, header: first-row }
        key: [code]
        content: full
        finished: { by: rename }
        cursor: { strategy: files, order: name }
`
}

const TABLES = `CREATE TABLE article (code text PRIMARY KEY, name text NOT NULL, grp text NOT NULL,
  price numeric(12,2), updated_at timestamptz NOT NULL DEFAULT clock_timestamp())`

export const MAPPING = `
mapping: shop/item
entity: item
version: 1
key: [code]
fields:
  item: { from: code, as: code, name: name }
  group: { from: grp, as: code, table: groups }
tables:
  groups: { 0010: 0010, 1.10: 1.10, 1E3: 1E3, no: no, yes: 010, 0x1F: 1e3 }
`
