import { join } from 'node:path'
import type { Config, FeedConfig, KafkaLogConfig, SourceConfig } from '../config/model.ts'
import { CalendarGap, knowsYear } from '../lane/calendar.ts'
import type { SourceCheck } from '../lane/check.ts'
import { LogError } from '../log/errors.ts'
import type { TopicSpec, TopicState } from '../log/port.ts'
import { loadMapping } from '../mapping/definition.ts'
import { type MappingTestResult, runMappingTests } from '../mapping/mapping-tests.ts'
import { mistakesText, mistakeText } from '../mapping/mistake.ts'
import { sanitise } from '../sanitise.ts'
import { topicSpecs } from '../topics.ts'
import { feedEntities } from '../wiring.ts'
import {
  type Configured,
  type MappingFault,
  mappingFaults,
  mappingsFailure,
  readWithoutMappings,
  settingProblem,
} from './configuration.ts'
import { CommandFailure, EXIT } from './failure.ts'
import { inspecting } from './inspecting.ts'
import { tellMissing } from './missing-fields.ts'
import type { World } from './world.ts'

/**
 * `erpgw check`: config, the mappings' own examples, the log with the settings of its topics, and of each source connection, permissions and the
 * fields that its mappings read; each with what to do. Changes nothing.
 */
export async function checkAll(world: World, configPath: string): Promise<number> {
  const configured = readWithoutMappings(world, configPath, true)
  world.out(`✓ config ${sanitise(configured.path)}\n`)
  for (const notice of configured.notices) world.out(`  note: ${sanitise(mistakeText(notice))}\n`)
  for (const warning of calendarWarnings(configured.config, world.runtime.wall()))
    world.out(`  WARNING: ${sanitise(warning)}\n`)
  const faults = mappingFaults(configured)
  const failures = [...(await checkLog(world, configured)), ...checkMappings(world, configured, faults)]
  for (const source of Object.values(configured.config.sources)) {
    if (faults.some((fault) => fault.source === source.name)) {
      world.out(`– source ${source.name} was not asked; mend its mapping first\n`)
    } else failures.push(...(await checkSource(world, configured, source)))
  }
  if (faults.length > 0) throw mappingsFailure(faults)
  const failed = failures.filter((failure) => failure).length
  if (failed === 0) return EXIT.ok
  throw new CommandFailure(`${failed} of ${failures.length + 1} checks failed; each ✗ above says what to do.`)
}

/** How long before a year begins people are told that a calendar knows nothing of it. */
const CALENDAR_AHEAD_MS = 60 * 86_400_000

/** Calendars that soon know no more: a source that goes by one stops then. */
function calendarWarnings({ sources }: Config, now: number): readonly string[] {
  const years = [now, now + CALENDAR_AHEAD_MS].map((at) => new Date(at).getUTCFullYear())
  const warnings = Object.values(sources).flatMap(({ name, closures }) => {
    const calendar = closures?.calendar ?? null
    const year = years.find((one) => calendar !== null && !knowsYear(calendar, one))
    if (calendar === null || calendar.freeze === null || year === undefined) return []
    return [`${new CalendarGap(calendar, year).message} Source ${name} stops at the turn of the year.`]
  })
  return [...new Set(warnings)]
}

/** Whether the log can be opened, and its topics are as they must be. True for each thing that failed. */
async function checkLog(world: World, configured: Configured): Promise<readonly boolean[]> {
  const { config } = configured
  const problem = world.folderProblem(config.data)
  const isOnKafka = config.log.driver === 'kafka'
  const folder = problem !== null && tell(world, 'data folder', settingProblem(configured, ['data'], problem))
  if (folder && !isOnKafka) return [folder]
  if (!isOnKafka && world.files.list(join(config.data, 'log')) === null) {
    world.out(`✓ log: none yet; the first run makes it in ${sanitise(config.data)}\n`)
    return [folder]
  }
  try {
    return [folder, ...(await checkTopics(world, configured))]
  } catch (error) {
    if (!(error instanceof LogError)) throw error
    const advice = error.code === 'LOG_UNAVAILABLE' && isOnKafka ? ` ${REACH}` : ''
    return [folder, tell(world, 'log', `${error.message}${advice}`)]
  }
}

const REACH =
  'See whether the cluster is up, log.brokers right, and whether it wants TLS or a login (log.tls, log.sasl). `erpgw run` starts all the same, and waits.'

async function checkTopics(world: World, { config, language }: Configured): Promise<readonly boolean[]> {
  const reader = world.readLog(config)
  try {
    const count = (await reader.topics()).length
    world.out(`✓ log ${sanitise(placeOf(config))}: ${count} topics\n`)
    const specs = topicSpecs([...new Set(feedEntities(config, language).values())], config.log.keep)
    const states = await reader.states(specs, world.signal)
    if (config.log.driver === 'kafka') tellTopics(world, config.log, specs, states)
    return states.flatMap(({ name, faults }) => faults.map((fault) => tell(world, `topic ${name}`, fault)))
  } finally {
    await reader.close()
  }
}

function placeOf({ data, log }: Config): string {
  if (log.driver !== 'kafka') return `in ${data}`
  return `on Kafka at ${log.brokers.map(({ host, port }) => `${host}:${port}`).join(', ')}`
}

/** Under the names that whoever looks after the cluster knows. */
function tellTopics(
  world: World,
  { prefix, partitions }: KafkaLogConfig,
  specs: readonly TopicSpec[],
  states: readonly TopicState[],
): void {
  for (const { name } of specs) {
    const state = states.find((one) => one.name === name)
    const found =
      state === undefined
        ? `not there yet; the first run makes it, with ${partitions} partitions`
        : `${state.partitions} partitions`
    world.out(`  ${prefix}${name}: ${found}\n`)
  }
}

/** The examples in the mapping files of all feeds, each mapping once; of those that can be used. */
function checkMappings(
  world: World,
  configured: Configured,
  faults: readonly MappingFault[],
): readonly boolean[] {
  const feeds = Object.values(configured.config.sources).flatMap((source) => Object.values(source.feeds))
  const names = new Set(feeds.map(({ mapping }) => mapping))
  for (const { mapping } of faults) names.delete(mapping)
  return [...names].sort().map((name) => {
    const results = runExamples(world, configured, name)
    const bad = results.filter(({ differences }) => differences.length > 0)
    if (bad.length === 0) {
      const count = results.length === 1 ? '1 example comes' : `${results.length} examples come`
      world.out(`✓ mapping ${name}: ${count} out as the file says\n`)
      return false
    }
    world.out(`✗ mapping ${name}: ${bad.length} of ${results.length} examples come out otherwise\n`)
    for (const { name: example, line, differences } of bad) {
      world.out(`  line ${line}, ${sanitise(example)}:\n`)
      for (const difference of differences) world.out(`    ${sanitise(difference)}\n`)
    }
    return true
  })
}

function runExamples(world: World, configured: Configured, name: string): readonly MappingTestResult[] {
  const { config, language } = configured
  const folders = [...config.mappings, join(world.packageFolder, 'schemas', 'mappings')]
  const loaded = loadMapping(name, folders, world.files)
  if (loaded.kind === 'invalid') throw new CommandFailure(mistakesText(loaded.mistakes), EXIT.usage)
  return runMappingTests(loaded.definition, language.schemas.entity(loaded.definition.entity))
}

/** Of the source itself, and of each feed once the source can be read. */
async function checkSource(
  world: World,
  configured: Configured,
  source: SourceConfig,
): Promise<readonly boolean[]> {
  const check = await askSource(world, configured, source.name)
  if (check.ok) world.out(`✓ source ${source.name} can be read\n`)
  else tell(world, `source ${source.name}`, check.reason)
  for (const feed of Object.values(source.feeds)) {
    world.out(`  ${feed.name}: ${feed.mapping}, ${strategyOf(feed)}\n`)
  }
  if (!check.ok) return [true]
  for (const warning of check.warnings) world.out(`  WARNING: ${sanitise(warning)}\n`)
  for (const note of check.notes) world.out(`  note: ${sanitise(note)}\n`)
  const feeds = Object.entries(check.missing)
  return [false, ...feeds.map(([feed, missing]) => tellMissing(world, `${source.name}.${feed}`, missing))]
}

async function askSource(world: World, configured: Configured, name: string): Promise<SourceCheck> {
  try {
    const check = await inspecting(world, configured, name, (source) => source.request({ verb: 'check' }))
    return check as unknown as SourceCheck
  } catch (error) {
    return { ok: false, reason: error instanceof Error ? error.message : String(error) }
  }
}

/** How changes are found, in the words of the config: `strategy watermark on updated_at`. */
function strategyOf({ adapter }: FeedConfig): string {
  const cursor = (adapter as { cursor?: { strategy?: string; columns?: readonly string[] } }).cursor
  if (cursor?.strategy === undefined) return 'everything at each poll'
  return cursor.columns === undefined
    ? `strategy ${cursor.strategy}`
    : `strategy ${cursor.strategy} on ${cursor.columns.join(', ')}`
}

function tell(world: World, what: string, problem: string | null): boolean {
  if (problem === null) return false
  world.out(`✗ ${sanitise(what)}: ${sanitise(problem)}\n`)
  return true
}
