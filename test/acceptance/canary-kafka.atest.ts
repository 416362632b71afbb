import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { onKafka, readRecords } from '../kit/log-reading.ts'
import { describeWithService, type Postgres } from '../kit/services.ts'
import { hits, type Sight } from './canary/canaries.ts'
import { watchCommandLines } from './canary/canary-shop.ts'
import { type CanaryBroker, kafkaLine, kafkaReference, startCanaryBroker } from './canary/kafka-canaries.ts'
import { addArticles, configOf, openShop, type Shop } from './shop/shop.ts'
import { until } from './shop/until.ts'

const LOOKS = [
  ['status'],
  ['status', '--json'],
  ['check'],
  ['explain'],
  ['preview', 'erp', 'articles', '-n', '2'],
  ['events', '--json', '-n', '50'],
  ['rejects', '--raw'],
]

describeWithService('postgres', 'a log on Kafka that wants a certificate and a password', (postgres) => {
  describeWithService('kafka-jars', 'and is killed', (brokers) => {
    test('takes both from a config, as variables and as files, and nothing shows them, whatever happens [P9 F35]', async () => {
      await using canary = await startCanaryBroker(brokers)
      const log = onKafka(canary.broker.address)
      const address = canary.broker.addresses['SECURE'] ?? ''
      const line = (folder: string | null, at = address) => kafkaLine(at, log.prefix, kafkaReference(folder))
      await using shop = await openKafkaShop(postgres, canary, line(null))
      using processes = watchCommandLines()
      const sights: Sight[] = []
      const see = async (args: readonly string[]) => {
        const ended = await shop.gateway.start(args).ended
        sights.push({ place: `erpgw ${args.join(' ')}`, text: ended.out + ended.err })
        return ended
      }
      await addArticles(shop, 3)
      await shop.query(`INSERT INTO article VALUES ('poison', 'x', 'no such group', 1)`)
      const events = async () => (await readRecords('', 'erp.', log)).length
      const running = shop.gateway.start(['run'])
      try {
        await until(async () => (await events()) >= 3)
        for (const args of LOOKS) expect((await see(args)).code, args.join(' ')).toBe(0)
        await canary.broker.kill()
        await until(async () => /log is away/.test((await see(['status'])).out))
        await canary.broker.start()
        await shop.query(`INSERT INTO article VALUES ('later', 'x', '0010', 1)`)
        await until(async () => (await events()) >= 4)
      } finally {
        running.kill('SIGTERM')
      }
      const ended = await running.ended
      sights.push({ place: 'run', text: ended.out + ended.err })
      const config = readFileSync(join(shop.folder, 'gateway.yaml'), 'utf8')
      const written = (instead: string) => shop.write('gateway.yaml', config.replace(/^log: .*$/m, instead))
      written(line(canary.folder))
      expect((await see(['run', '--once'])).code).toBe(0)
      // A password that is none of the broker's, and a port at which nobody listens.
      written(line(canary.folder).replace(/KAFKA_PASSWORD/, 'KAFKA_USER'))
      expect((await see(['run', '--once'])).code).toBe(1)
      expect((await see(['check'])).out).toMatch(/log\.sasl/)
      written(line(null, '127.0.0.1:1'))
      expect((await see(['check'])).code).toBe(1)
      for (const { key, value } of await readRecords('', '', log)) {
        sights.push({
          place: 'record',
          text: `${key} ${value === null ? '' : Buffer.from(value).toString()}`,
        })
      }
      sights.push({ place: 'command lines', text: [...processes.seen].join('\n') })
      expect(hits(canary.canaries, sights)).toEqual([])
    })
  })
})

function openKafkaShop(postgres: Postgres, canary: CanaryBroker, line: string): Promise<Shop> {
  return openShop(postgres, {
    environment: canary.values,
    config: (connection) => configOf(connection, line),
  })
}
