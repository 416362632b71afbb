import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { expect, test } from 'vitest'
import { demoConfig, demoSecrets } from '../../scripts/demo/config.ts'
import { TABLES } from '../../scripts/demo/erp-data.ts'
import { installation } from '../kit/gateway-process.ts'
import { readEvents, readRecords } from '../kit/log-reading.ts'
import { describeWithService } from '../kit/services.ts'
import { startDingTalk } from '../lab/dingtalk/server.ts'

const PAYMENTS = 100_000

describeWithService('postgres', 'a first load with routes on', (postgres) => {
  test('of 100,000 payments tells nobody, and the first live change tells one person', async () => {
    await using database = await postgres.database()
    const folder = mkdtempSync(join(tmpdir(), 'erpgw-load-'))
    const dingtalk = await startDingTalk()
    const client = new pg.Client({ connectionString: database.url })
    await client.connect()
    try {
      await client.query(TABLES)
      // All of them approved: each one would be a message if first loads told anybody.
      await client.query(
        `INSERT INTO payment SELECT 'P' || n, 2026, '001', 'O', 'TT', 'A', '0000100077', 'Supplier', date '2026-01-01',
           NULL, NULL, NULL, 'HKD', n, 'HKD', NULL, NULL, NULL, NULL, NULL, 'LAN', 'HUANG', NULL, NULL, NULL, NULL, NULL,
           NULL, NULL, NULL, now(), 'X', now(), 'X' FROM generate_series(1, $1::int) n`,
        [PAYMENTS],
      )
      const { hostname, port, username, pathname, password } = new URL(database.url)
      const config = demoConfig(
        {
          host: hostname,
          port: Number(port),
          database: pathname.slice(1),
          user: username,
          password: 'env:ERP_PASSWORD',
        },
        dingtalk.origin,
      )
      const secrets = { ...demoSecrets(dingtalk.origin), ERP_PASSWORD: decodeURIComponent(password) }
      const gateway = installation(folder, { 'gateway.yaml': config }, secrets)

      const first = await gateway.erpgw('run', '--once')
      expect(first.code, first.err).toBe(0)
      expect(await readEvents(`${folder}/data`, 'payment')).toHaveLength(PAYMENTS)
      expect(dingtalk.outbox()).toHaveLength(0)
      expect(await readRecords(`${folder}/data`, 'gateway.notices')).toHaveLength(0)

      await client.query("UPDATE payment SET status = 'P', updated_at = now() WHERE payment_no = 'P7'")
      expect((await gateway.erpgw('run', '--once')).code).toBe(0)
      expect(dingtalk.outbox()).toHaveLength(0)
      await client.query("UPDATE payment SET status = 'A', updated_at = now() WHERE payment_no = 'P7'")
      expect((await gateway.erpgw('run', '--once')).code).toBe(0)
      expect(dingtalk.outbox().map((message) => message.chat)).toEqual(['user:0181234567'])
    } finally {
      await client.end()
      await dingtalk.close()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
