import { fileURLToPath } from 'node:url'
import pg from 'pg'
import type { KafkaClientName } from '../../gateway/log/kafka.ts'

const MAPPINGS = fileURLToPath(new URL('./mappings', import.meta.url))

/** In which order of keys a table shows its rows; it makes all the difference to the projection. */
export type KeyOrder = 'ascending' | 'random'

/** Of a batch in production. */
export const PAGE_ROWS = 1_000

/** A table of payments, a row of which has about 250 bytes as text; answers how many. */
export async function fillPayments(url: string, rows: number, order: KeyOrder): Promise<number> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`DROP TABLE IF EXISTS payment; CREATE TABLE payment (
      payment_no text PRIMARY KEY, direction text NOT NULL, method text NOT NULL, status text NOT NULL,
      partner_no text NOT NULL, partner_name text NOT NULL, document_date date NOT NULL, due_date date,
      currency text NOT NULL, amount numeric(15,4) NOT NULL, local_amount numeric(15,4) NOT NULL,
      exchange_rate numeric(12,8), bank_account text, approved_by text, approved_at timestamp, approval_level integer,
      memo text, created_at timestamptz NOT NULL, created_by text, updated_at timestamptz NOT NULL, updated_by text)`)
    // A multiple of a prime, modulo a greater one: every key once, in no order.
    const key = order === 'ascending' ? 'i' : '(i::bigint * 611953) % 15485863'
    await client.query(
      `INSERT INTO payment SELECT lpad((${key})::text, 10, '0'), 'O', 'TT', (ARRAY['P','A','C'])[1 + i % 3],
        lpad((i % 5000)::text, 10, '0'), '東莞市精誠五金製品 ' || i % 5000, date '2024-01-01' + i % 700,
        date '2024-02-01' + i % 700, 'HKD', i * 1.25, i * 1.25, 1, '012-345-' || 10000 + i % 90000, 'wong.sf',
        timestamp '2024-01-02 10:15:00' + i * interval '7 seconds', i % 4, 'Invoice INV-' || i, timestamptz
        '2024-01-01 09:00:00+08' + i * interval '7 seconds', 'chan.ky', timestamptz '2024-01-02 10:15:00.123456+08' +
        i * interval '7 seconds', 'wong.sf' FROM generate_series(1, ${rows}) i`,
    )
    await client.query('CREATE INDEX ON payment (updated_at, payment_no); ANALYZE payment')
    const size = await client.query<{ bytes: string }>(
      'SELECT avg(octet_length(p::text))::text AS bytes FROM (SELECT * FROM payment LIMIT 1000) p',
    )
    return Number(size.rows[0]?.bytes)
  } finally {
    await client.end()
  }
}

/** The pages that the adapter reads, as text, and nothing done with them. */
export async function readPayments(url: string): Promise<void> {
  const types = { getTypeParser: () => (text: string) => text }
  const client = new pg.Client({ connectionString: url, types })
  await client.connect()
  try {
    for (let after: readonly unknown[] = ['-infinity', '']; ; ) {
      const { rows } = await client.query<unknown[]>({
        text: `SELECT *, updated_at, payment_no FROM payment WHERE (updated_at, payment_no) > ($1, $2)
          ORDER BY updated_at, payment_no LIMIT ${PAGE_ROWS}`,
        values: [...after],
        rowMode: 'array',
      })
      const last = rows.at(-1)
      if (last === undefined) return
      after = last.slice(-2)
    }
  } finally {
    await client.end()
  }
}

const PASSWORD_VARIABLE = 'BENCH_PASSWORD'

/** What `paymentsConfig` finds in the environment. */
export function paymentsSecrets(databaseUrl: string): Readonly<Record<string, string>> {
  return { [PASSWORD_VARIABLE]: decodeURIComponent(new URL(databaseUrl).password) || 'none' }
}

/** A gateway that reads the table into Kafka, with nothing but defaults where no client is named. */
export function paymentsConfig(databaseUrl: string, broker: string, client?: KafkaClientName): string {
  const { hostname, port, username, pathname } = new URL(databaseUrl)
  const named = client === undefined ? '' : `client: ${client}, `
  return `
companies:
  001: { name: Example Trading, currency: HKD, zone: Asia/Hong_Kong }
log: { driver: kafka, ${named}brokers: ["${broker}"] }
mappings: ["${MAPPINGS}"]
sources:
  erp:
    kind: database
    system: bench
    company: 001
    zone: Asia/Hong_Kong
    connection: { engine: postgres, host: ${hostname}, port: ${port}, database: ${pathname.slice(1)}, user: ${username}, password: env:${PASSWORD_VARIABLE} }
    feeds:
      payments:
        mapping: bench/payment
        table: payment
        key: [payment_no]
        cursor: { strategy: watermark, columns: [updated_at], overlap: 10s }
`
}
