import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { chaosEmbedded, type Kill, killsAtSteps, LANE_STEPS } from '../test/chaos/embedded.ts'
import { followUnderLoad, WAL_BYTES_MAX } from '../test/chaos/follower.ts'
import { seededRandom } from '../test/kit/random.ts'
import { createServices } from './services.ts'

/**
 * `npm run chaos -- NAME`: the long form of what `verify` holds in a short one. Prints as it goes, and at the end the
 * figures and what was found.
 */
const USAGE = `Usage:
  npm run chaos -- embedded [--kills 20] [--seed TEXT]   kill -9 of a gateway while rows are written
  npm run chaos -- follower [--minutes 10]               a reader beside the writer of the log, under load`

const [name, ...rest] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'erpgw-chaos-'))
try {
  process.exitCode = await run()
} finally {
  rmSync(folder, { recursive: true, force: true })
}

function run(): Promise<number> {
  if (name === 'embedded') return embedded()
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
  const services = createServices({ environment: process.env, report: (line) => console.log(line) })
  try {
    const answer = await services.ask('postgres')
    if (answer.kind === 'granted') return await killAgainAndAgain(await freshDatabase(answer.url))
    console.error(`No PostgreSQL: ${answer.reason}`)
    return 1
  } finally {
    await services.stop()
  }
}

async function killAgainAndAgain(databaseUrl: string): Promise<number> {
  const seed = option('seed', '1')
  const random = seededRandom(seed)
  const kills: Kill[] = [
    ...killsAtSteps(random),
    ...Array.from({ length: Number(option('kills', '20')) }, () => ({
      afterMs: random.between(1_200, 6_000),
    })),
  ]
  const report = (line: string) => console.log(line)
  const result = await chaosEmbedded({ databaseUrl, folder, kills, seed, report })
  const missed = LANE_STEPS.filter((step) => result.kills[step] !== 1)
  console.log(`\n${result.writes} writes, ${result.events} events; kills: ${JSON.stringify(result.kills)}`)
  for (const { checker, sentence } of result.violations) console.log(`${checker}: ${sentence}`)
  if (missed.length > 0) console.log(`Inconclusive: never killed at ${missed.join(', ')}.`)
  const isWell = result.violations.length === 0 && missed.length === 0
  console.log(isWell ? 'Nothing lost, nothing doubled, nothing invented.' : 'The run failed.')
  return isWell ? 0 : 1
}

async function freshDatabase(adminUrl: string): Promise<string> {
  const database = `chaos_${process.pid}`
  const client = new pg.Client({ connectionString: adminUrl })
  await client.connect()
  await client.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`)
  await client.query(`CREATE DATABASE ${database}`)
  await client.end()
  const url = new URL(adminUrl)
  url.pathname = `/${database}`
  return url.href
}
