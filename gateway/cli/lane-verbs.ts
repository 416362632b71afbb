import type { Json } from '../../adapters/contract.ts'
import type { ControlAnswer, ControlRequest } from '../control/protocol.ts'
import type { Gateway } from '../gateway.ts'
import { LogError } from '../log/errors.ts'
import { feedMapping } from '../wiring.ts'
import { type Configured, mappingsFailure, readConfiguration } from './configuration.ts'
import { CommandFailure, EXIT } from './failure.ts'
import { requireLane } from './names.ts'
import { openGateway } from './opening.ts'
import type { OpenGateway, World } from './world.ts'

/**
 * Carries out a verb that changes a lane: in the gateway that runs, or, when none does, in one that this command opens
 * for it and closes again.
 */
export async function carryOut(world: World, configPath: string, request: ControlRequest): Promise<Json> {
  return converse(world, configPath, request, async (answer) => answer)
}

/** Asks for more of the gateway that answered. */
export type Ask = (request: ControlRequest) => Promise<Json>

/** The same, for a verb that is asked about until it is done. */
export async function converse<Result>(
  world: World,
  configPath: string,
  request: ControlRequest,
  talk: (answer: Json, ask: Ask) => Promise<Result>,
): Promise<Result> {
  const configured = readConfiguration(world, configPath, false)
  const { config } = configured
  if ('source' in request) requireLane(config, request.source, 'feed' in request ? request.feed : null)
  const asked = underMapping(configured, request)
  const answer = await world.ask(config, asked)
  if (answer === null) return converseAlone(world, configPath, asked, talk)
  const ask: Ask = async (next) => valueIn((await world.ask(config, next)) ?? STOPPED)
  return talk(valueIn(answer), ask)
}

const STOPPED: ControlAnswer = {
  ok: false,
  refused: false,
  message: 'The gateway has stopped meanwhile.',
}

/**
 * A request about a mapping with its version on disk: a gateway that runs since before the last edit then refuses,
 * where it would try its old mapping again and leave a person to wonder.
 */
function underMapping({ config, language }: Configured, request: ControlRequest): ControlRequest {
  if (request.verb !== 'remap' && request.verb !== 'retry-rejects') return request
  const source = config.sources[request.source]
  const feed = source?.feeds[request.feed]
  if (source === undefined || feed === undefined) return request
  try {
    return { ...request, mapping: feedMapping(config, language, source, feed).version }
  } catch (error) {
    const mistakes = error instanceof Error ? error.message : String(error)
    throw mappingsFailure([{ source: source.name, mapping: feed.mapping, mistakes }])
  }
}

function valueIn(answer: ControlAnswer): Json {
  if (answer.ok) return answer.value
  throw new CommandFailure(answer.message)
}

async function converseAlone<Result>(
  world: World,
  configPath: string,
  request: ControlRequest,
  talk: (answer: Json, ask: Ask) => Promise<Result>,
): Promise<Result> {
  if (request.verb === 'status') {
    throw new CommandFailure('No gateway runs with this config. Start one with `erpgw run`.', EXIT.notRunning)
  }
  // Only now are the secrets needed: a gateway that runs has its own.
  const configured = readConfiguration(world, configPath)
  let opened: OpenGateway
  try {
    opened = await openGateway(world, configured)
  } catch (error) {
    // A gateway that was starting when it was asked first takes requests now.
    const isHeld = error instanceof LogError && error.code === 'LOG_HELD'
    const answer = isHeld ? await world.ask(configured.config, request) : null
    if (answer === null) throw error
    return talk(valueIn(answer), async (next) =>
      valueIn((await world.ask(configured.config, next)) ?? STOPPED),
    )
  }
  const stopping = new AbortController()
  const signal = AbortSignal.any([world.signal, stopping.signal])
  const idle = opened.gateway.idle(signal)
  idle.catch(() => undefined)
  const ask: Ask = async (next) => {
    if (next.verb === 'status') return null
    const { source, ...verb } = next
    return opened.gateway.request(source, verb)
  }
  try {
    await Promise.race([isServing(world, opened.gateway, request.source, signal), idle])
    return await talk(await ask(request), ask)
  } finally {
    stopping.abort()
    await idle.catch(() => undefined)
    await opened.close()
  }
}

const LOOK_EVERY_MS = 20

/** A thread that loads its drivers on a busy machine takes seconds. */
const START_MS_MAX = 60_000

/** Resolves when the source takes requests. */
async function isServing(world: World, gateway: Gateway, name: string, signal: AbortSignal): Promise<void> {
  let trouble: string | null = null
  for (let waited = 0; waited < START_MS_MAX; waited += LOOK_EVERY_MS) {
    const { sources } = await gateway.status()
    const status = sources.find(({ source }) => source === name)
    if (status !== undefined && status.lanes.length > 0) return
    trouble = status?.trouble ?? null
    if (trouble !== null) break
    await world.runtime.sleep(LOOK_EVERY_MS, signal)
  }
  throw new CommandFailure(`Source ${name} could not be opened: ${trouble ?? 'it does not start'}.`)
}
