import type { Config } from '../config/model.ts'
import type { TopicPartition } from '../log/port.ts'
import type { Ports } from '../ports.ts'
import { entityTopic, TOPICS, topicSpecs } from '../topics.ts'
import { createDingTalkClient } from './client.ts'
import { createDirectory } from './directory.ts'
import { createGovernor } from './governor.ts'
import { publishPartition } from './partition.ts'
import { type CompileCondition, createRoutes } from './routes.ts'
import type { Templates } from './templates.ts'
import type { Results, Work } from './work.ts'

export type PublisherOptions = Readonly<{
  config: Config
  ports: Pick<Ports, 'runtime' | 'tasks' | 'logger' | 'failpoints' | 'log' | 'http' | 'secrets' | 'redactor'>
  templates: Templates
  compileCondition: CompileCondition
}>

/** How far an input partition has been read, and how many of its notices have no end yet. */
export type Progress = Readonly<{ topic: string; partition: number; position: number; open: number }>

/**
 * Tells people about events: a consumer of the log and nothing else. Every notice is a record in `gateway.notices`
 * before it is sent and after; a crash in between shows as unknown, or is repeated where DingTalk takes an
 * idempotency key.
 */
export type Publisher = Readonly<{
  /** Follows the topics of all routes until the signal aborts. Rejects with the first error of any partition. */
  run(signal: AbortSignal): Promise<void>
  /** By topic and partition, as this process owns them. */
  progress(): readonly Progress[]
  /**
   * Resolves when everything up to these ends has been read and no notice is open. Partitions of topics that no route
   * reads do not count.
   */
  reached(
    ends: readonly Readonly<{ partition: TopicPartition; end: number }>[],
    signal: AbortSignal,
  ): Promise<void>
}>

/** Throws when a condition does not compile or a template is missing. */
export function createPublisher(options: PublisherOptions): Publisher {
  const { config, ports, templates, compileCondition } = options
  const directory = createDirectory(config, ports.secrets)
  const routes = createRoutes({ config, templates, directory, compileCondition })
  const topics = routes.entities.map(entityTopic)
  const board = createBoard()
  const shared = {
    ports,
    gateway: config.gateway,
    routes,
    directory,
    client: createDingTalkClient({
      api: config.dingtalk?.api ?? '',
      oapi: config.dingtalk?.oapi ?? '',
      app: directory.app,
      http: ports.http,
      runtime: ports.runtime,
      redactor: ports.redactor,
    }),
    governor: createGovernor(ports.runtime),
    progress: board.put,
  }
  return {
    async run(signal) {
      if (topics.length === 0) return
      const specs = topicSpecs(routes.entities, config.log.keep)
      const states = await ports.log.ensure(
        specs.filter(({ name }) => name === TOPICS.notices || topics.includes(name)),
        signal,
      )
      const noticePartitions = states.find(({ name }) => name === TOPICS.notices)?.partitions
      if (noticePartitions === undefined) throw new Error(`The log does not describe ${TOPICS.notices}.`)
      await publishAll({ ...shared, noticePartitions }, options, topics, signal)
    },
    progress: board.all,
    reached(ends, signal) {
      const counting = ends.filter(({ partition }) => topics.includes(partition.topic))
      return board.until((all) => counting.every((wanted) => all.some((at) => isReached(at, wanted))), signal)
    },
  }
}

/** Runs a publisher until the signal aborts. */
export async function runPublisher(
  options: PublisherOptions & Readonly<{ signal: AbortSignal }>,
): Promise<void> {
  await createPublisher(options).run(options.signal)
}

async function publishAll(
  work: Work,
  options: PublisherOptions,
  topics: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const { log, tasks } = options.ports
  const failed = new AbortController()
  const both = AbortSignal.any([signal, failed.signal])
  const failures: unknown[] = []
  const running = new Set<Promise<void>>()
  const held = new Map<string, Readonly<{ results: Results; ended: Promise<void> }>>()
  try {
    for await (const assignment of log.subscribe(`${options.config.gateway}.publisher`, topics, both)) {
      const name = `${assignment.topic}/${assignment.partition}`
      const before = held.get(name)
      const results = before?.results ?? { sender: work.ports.runtime.uuid(), byNotice: new Map() }
      const task = tasks.spawn('publisher', name, assignment.signal, async () => {
        try {
          // Calls that were under way when the partition was taken end by themselves, and only we know how.
          await before?.ended
          await publishPartition(work, assignment, results)
        } catch (error) {
          // One partition that cannot go on ends the publisher, which its owner starts again or not.
          failures.push(error)
          failed.abort(error)
        }
      })
      held.set(name, { results, ended: task.done })
      running.add(task.done)
      void task.done.finally(() => running.delete(task.done))
    }
  } catch (error) {
    if (!both.aborted) failures.push(error)
    failed.abort(error)
  }
  await Promise.all(running)
  if (failures.length > 0) throw failures[0]
}

type Board = Readonly<{
  put(at: Progress): void
  all(): readonly Progress[]
  until(isThere: (all: readonly Progress[]) => boolean, signal: AbortSignal): Promise<void>
}>

function createBoard(): Board {
  const places = new Map<string, Progress>()
  const waiting = new Set<() => void>()
  const all = () => [...places.values()]
  return {
    all,
    put(at) {
      places.set(`${at.topic}/${at.partition}`, at)
      for (const look of waiting) look()
    },
    until: (isThere, signal) =>
      new Promise((resolve, reject) => {
        const stop = () => {
          waiting.delete(look)
          reject(signal.reason)
        }
        const look = () => {
          if (!isThere(all())) return
          waiting.delete(look)
          signal.removeEventListener('abort', stop)
          resolve()
        }
        if (signal.aborted) {
          reject(signal.reason)
          return
        }
        waiting.add(look)
        signal.addEventListener('abort', stop, { once: true })
        look()
      }),
  }
}

function isReached(at: Progress, wanted: Readonly<{ partition: TopicPartition; end: number }>): boolean {
  const isSame = at.topic === wanted.partition.topic && at.partition === wanted.partition.partition
  return isSame && at.position >= wanted.end && at.open === 0
}
