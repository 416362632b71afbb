/** Sources that are well, by name. */
export const HEALTHY = ['well-1', 'well-2', 'well-3', 'well-4'] as const

/** Sources that are sick, each in its own way. */
export const SICK = ['hung', 'dripping', 'burning', 'rejecting'] as const

export type DatabaseAddress = Readonly<{ host: string; port: number; name: string; user: string }>

/** Each source reads a table of its own. */
export function tableOf(source: string): string {
  return `article_${source.replace('-', '_')}`
}

export const TABLES: string = [...HEALTHY, ...SICK]
  .map(
    (
      source,
    ) => `CREATE TABLE ${tableOf(source)} (code text PRIMARY KEY, name text NOT NULL, grp text NOT NULL,
      changed_at timestamptz NOT NULL DEFAULT clock_timestamp());
      CREATE INDEX ON ${tableOf(source)} (changed_at);`,
  )
  .join('\n')

/** The files of a gateway with these sources; the password is in ISOLATION_PASSWORD. */
export function gatewayFiles(
  sources: readonly string[],
  database: DatabaseAddress,
  ports: Readonly<Record<'hung' | 'dripping', number>>,
): Readonly<Record<string, string>> {
  const portOf = (source: string) =>
    source === 'hung' || source === 'dripping' ? ports[source] : database.port
  const config = `
companies:
  001: { name: Shop, currency: HKD, zone: Asia/Hong_Kong }
data: ./data
mappings: [./mappings]
log: { driver: embedded, partitions: 1 }
sources:${sources.map((source) => sourceConfig(source, database, portOf(source))).join('')}
`
  return {
    'gateway.yaml': config,
    'mappings/shop/item.yaml': mappingOf('item', 'name'),
    'mappings/shop/burning.yaml': mappingOf('burning', `{ as: formula, cel: '${COSTLY}' }`),
  }
}

/** `polled_at`: when the poll began that read a row, by the clock of the database. */
function sourceConfig(source: string, { host, name, user }: DatabaseAddress, port: number): string {
  const table = tableOf(source)
  return `
  ${source}:
    kind: database
    system: ${source}
    company: 001
    zone: UTC
    connection: { engine: postgres, host: ${host}, port: ${port}, database: ${name}, user: ${user}, password: env:ISOLATION_PASSWORD, statementTimeout: 3s }
    poll: { every: 100ms }
    feeds:
      articles:
        mapping: shop/${source === 'burning' ? 'burning' : 'item'}
        select: SELECT code, name, grp, changed_at, extract(epoch FROM transaction_timestamp())::text AS polled_at FROM ${table}
        key: [code]
        cursor: { strategy: watermark, columns: [changed_at], overlap: 0s }
        fuse: { rejected: 100% }`
}

function mappingOf(mapping: string, createdBy: string): string {
  return `
mapping: shop/${mapping}
entity: item
version: 1
key: [code]
fields:
  item: { from: code, as: code, name: name }
  names: { en: polled_at }
  group: { from: grp, as: code, table: groups }
  createdBy: ${createdBy}
tables:
  groups: { 0010: 0010 }
`
}

/**
 * The costliest expression that a mapping may hold, within its bounds for nodes, depth and lists: a written list in
 * another one, and the dearest arithmetic for each pair.
 */
const DEAR = Array.from({ length: 8 }, () => 'divide(decimal(record.code), 7, 30) >= decimal(0)').join(' && ')
const COSTLY = `${written(200)}.all(a, ${written(20)}.all(b, ${DEAR})) ? record.name : "never"`

function written(length: number): string {
  return `[${Array.from({ length }, (_, n) => n).join(',')}]`
}
