import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KAFKA_CLIENTS } from '../gateway/config/model.ts'
import type { KafkaClientName } from '../gateway/log/kafka.ts'
import { flipBytes, flipsTable } from '../test/chaos/flips.ts'
import { followUnderLoad, WAL_BYTES_MAX } from '../test/chaos/follower.ts'
import { killsAtSteps, killsByChance, LANE_STEPS } from '../test/chaos/kills.ts'
import { type ChaosLog, embeddedChaosLog, kafkaChaosLog } from '../test/chaos/logs.ts'
import { chaos } from '../test/chaos/run.ts'
import { rowsWait } from '../test/chaos/waiting.ts'
import { seededRandom } from '../test/kit/random.ts'
import { tellGoals } from './bench/measured.ts'
import { freshDatabase } from './services/fresh-database.ts'
import { startKafkaBroker } from './services/kafka-broker.ts'
import { createServices, mustHave, type ServiceName } from './services.ts'

/**
 * `npm run chaos -- NAME`: the long form of what `verify` holds in a short one. Prints as it goes, and at the end the
 * figures and what was found.
 */
const USAGE = `Usage:
  npm run chaos -- embedded [--kills 20] [--seed TEXT]   kill -9 of a gateway while rows are written
  npm run chaos -- kafka [--kills 20 | --full] [--seed TEXT] [--client kafkajs | platformatic]
                                                         the same on Kafka: of the second of two gateways and of the
                                                         broker as well; --full: 100 kills beside those at each step
  npm run chaos -- flips [--places 200] [--seed TEXT]    a flipped bit in each file of a gateway, and a run after it
  npm run chaos -- waiting [--rows 2000000] [--away 60] [--client kafkajs | platformatic]
                                                         rows that wait while the broker is away, for so many seconds
  npm run chaos -- follower [--minutes 10]               a reader beside the writer of the log, under load`

const DATABASE = `chaos_${process.pid}`

const [name, ...rest] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'erpgw-chaos-'))
try {
  process.exitCode = await run()
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function run(): Promise<number> {
  if (name === 'embedded') return embedded()
  if (name === 'kafka') return kafka()
  if (name === 'flips') return flips()
  if (name === 'waiting') return waiting()
  if (name === 'follower') return follower()
  console.error(USAGE)
  return Promise.resolve(2)
}

function option(wanted: string, fallback: string): string {
  const index = rest.indexOf(`--${wanted}`)
  return index < 0 ? fallback : (rest[index + 1] ?? fallback)
}

async function follower(): Promise<number> {
  const minutes = Number(option('minutes', '10'))
  const result = await followUnderLoad(folder, minutes * 60_000, (line) => console.log(line))
  const { appended, followed, logBytes, walBytesMax } = result
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`
  console.log(
    `${appended} records appended, ${followed} followed; log ${megabytes(logBytes)}, WAL at most ${megabytes(walBytesMax)}.`,
  )
  const isWell = followed === appended && walBytesMax < WAL_BYTES_MAX
  console.log(isWell ? 'The write-ahead log stayed below 64 MB.' : 'The run failed.')
  return isWell ? 0 : 1
}

async function embedded(): Promise<number> {
  return await withServices(['postgres'], async ([postgres = '']) =>
    killAgainAndAgain(await freshDatabase(postgres, DATABASE), embeddedChaosLog(folder)),
  )
}

async function kafka(): Promise<number> {
  return await withServices(['postgres', 'kafka-jars'], async ([postgres = '', jars = '']) => {
    await using broker = await startKafkaBroker({ jars })
    const client = clientOption()
    return await killAgainAndAgain(
      await freshDatabase(postgres, DATABASE),
      kafkaChaosLog(broker, client, 'chaos.'),
    )
  })
}

function clientOption(): KafkaClientName {
  const name = option('client', KAFKA_CLIENTS[0])
  const client = KAFKA_CLIENTS.find((one) => one === name)
  if (client === undefined) throw new Error(`There is no client ${name}.`)
  return client
}

async function waiting(): Promise<number> {
  return await withServices(['postgres', 'kafka-jars'], async ([postgres = '', jars = '']) => {
    await using broker = await startKafkaBroker({ jars })
    const goals = await rowsWait({
      databaseUrl: await freshDatabase(postgres, DATABASE),
      folder,
      broker,
      client: clientOption(),
      rows: Number(option('rows', '2000000')),
      awaySeconds: Number(option('away', '60')),
      report: (line) => console.log(line),
    })
    return tellGoals(goals, (line) => console.log(line)) ? 0 : 1
  })
}

async function flips(): Promise<number> {
  return await withServices(['postgres'], async ([postgres = '']) => {
    const { counts, wrong } = await flipBytes({
      databaseUrl: await freshDatabase(postgres, DATABASE),
      folder,
      places: Number(option('places', '200')),
      seed: option('seed', '1'),
      report: (line) => console.log(line),
    })
    console.log(`\n${flipsTable(counts).join('\n')}`)
    for (const line of wrong) console.log(line)
    console.log(wrong.length === 0 ? 'No wrong event, and nothing begun anew.' : 'The run failed.')
    return wrong.length === 0 ? 0 : 1
  })
}

async function withServices(
  names: readonly ServiceName[],
  run: (urls: readonly string[]) => Promise<number>,
): Promise<number> {
  const services = createServices({ environment: process.env, report: (line) => console.log(line) })
  try {
    const urls: string[] = []
    for (const wanted of names) urls.push(await mustHave(services, wanted))
    return await run(urls)
  } finally {
    await services.stop()
  }
}

async function killAgainAndAgain(databaseUrl: string, log: ChaosLog): Promise<number> {
  const seed = option('seed', '1')
  const random = seededRandom(seed)
  const count = rest.includes('--full') ? 100 : Number(option('kills', '20'))
  const kills = [...killsAtSteps(random), ...killsByChance(random, count, log.isShared)]
  const report = (line: string) => console.log(line)
  const result = await chaos({ databaseUrl, folder, log, kills, seed, report })
  await log.close()
  const missed = LANE_STEPS.filter((step) => result.kills[step] !== 1)
  console.log(
    `\n${result.writes} writes, ${result.events} events; kills: ${JSON.stringify(result.kills, null, 1)}`,
  )
  for (const { checker, sentence } of result.violations) console.log(`${checker}: ${sentence}`)
  if (missed.length > 0) console.log(`Inconclusive: never killed at ${missed.join(', ')}.`)
  const isWell = result.violations.length === 0 && missed.length === 0
  console.log(isWell ? 'Nothing lost, nothing doubled, nothing invented.' : 'The run failed.')
  return isWell ? 0 : 1
}
