import type { Call, Command, Session } from '../../adapters/contract.ts'
import { AdapterError } from '../../adapters/errors.ts'
import type { Bench, Opened } from './adapter-bench.ts'
import { illegalError, newConsumer, onBench } from './adapter-bench.ts'
import type { FaultMoment, FaultPlan } from './adapter-faults.ts'
import { failureOf } from './adapter-reading-checks.ts'
import type { AdapterCheck, AdapterSubject, CommandWorld } from './adapter-world.ts'

/** Promises of each command. They hold without more for an adapter that has none. */
export const COMMAND_CHECKS: readonly AdapterCheck[] = [
  {
    name: 'applies a command once however often it is sent',
    run: forEachCommand(async ({ bench, name, world, declared }) => {
      // A command that may not be repeated is sent once; what becomes of a second sending is not promised.
      const times = declared.repeat === 'never' ? 1 : 3
      const opened = await bench.open(newConsumer())
      const faults: string[] = []
      for (let sent = 1; sent <= times; sent += 1) {
        const outcome = await commandOf(opened.session, name).execute(world.input, callOf(world, sent))
        if (outcome.kind === 'rejected' && sent === 1)
          faults.push(`a sound command was rejected: ${outcome.code}`)
      }
      await opened.close()
      const effects = world.effects()
      return effects === 1 ? faults : [...faults, `sent ${times} times, it took effect ${effects} times`]
    }),
  },
  {
    name: 'rejects nonsense instead of throwing',
    run: forEachCommand(async ({ bench, name, world }) => {
      const opened = await bench.open(newConsumer())
      const command = commandOf(opened.session, name)
      const kinds: string[] = []
      const error = await failureOf(async () => {
        kinds.push((await command.execute(world.nonsense, callOf(world, 1))).kind)
      })
      await opened.close()
      if (error !== null) return [`nonsense was thrown as ${String(error)}`]
      return kinds[0] === 'rejected' ? [] : ['nonsense was not rejected']
    }),
  },
  {
    name: 'takes effect exactly once when the request of any call is lost',
    run: (subject) => loseEach(subject, 'request'),
  },
  {
    name: 'takes effect exactly once when the reply of any call is lost',
    run: (subject) => loseEach(subject, 'reply'),
  },
  {
    name: 'sends nothing when it is too late',
    run: forEachCommand(async ({ bench, name, world }) => {
      const opened = await bench.open(newConsumer())
      const error = await failureOf(() =>
        commandOf(opened.session, name).execute(world.input, { ...callOf(world, 1), notAfter: 0 }),
      )
      await opened.close()
      const faults = error === null ? [] : illegalError(error, 'a command that is too late')
      return world.effects() === 0 ? faults : [...faults, 'it took effect after the time it was allowed']
    }),
  },
  {
    name: 'does nothing to a document that changed since it was shown',
    run: forEachCommand(async ({ bench, name, world }) => {
      if (world.expect === null || world.tamper === undefined) return []
      world.tamper()
      return refusesChanged(bench, name, world)
    }),
  },
  {
    name: 'does nothing to a document that changes between look and act',
    run: forEachCommand(async ({ bench, name, world }) => {
      if (world.expect === null || world.tamperAfterLook === undefined) return []
      world.tamperAfterLook()
      return refusesChanged(bench, name, world)
    }),
  },
  {
    name: 'calls an absence final only if nothing can come after',
    run: forEachCommand(async ({ bench, name, world }) => {
      if (world.delay === undefined) return []
      const arrive = world.delay()
      const opened = await bench.open(newConsumer())
      const command = commandOf(opened.session, name)
      const error = await failureOf(() => command.execute(world.input, callOf(world, 1)))
      if (!isSilence(error)) return ['silence was not reported as an unknown outcome']
      const found = await command.lookup?.(world.input, callOf(world, 1))
      arrive()
      await opened.close()
      if (found === undefined || found.kind === 'cannot-tell') return []
      if (found.kind === 'applied') return ['look-up found applied what had not arrived']
      return found.final && world.effects() > 0
        ? ['look-up called an absence final, and then the command took effect']
        : []
    }),
  },
  {
    name: 'does no step again that is done',
    run: forEachCommand(async ({ bench, name, world, declared }) => {
      const recorded: { step: string; reference: string }[] = []
      const opened = await bench.open(newConsumer())
      const call = callOf(world, 1, recorded)
      await commandOf(opened.session, name).execute(world.input, call)
      const effects = world.effects()
      const again = { ...callOf(world, 2, []), done: [...recorded] }
      const error = await failureOf(() => commandOf(opened.session, name).execute(world.input, again))
      await opened.close()
      const faults = error === null ? [] : illegalError(error, 'a command whose steps are done')
      const strange = recorded.filter(({ step }) => !declared.steps.includes(step))
      const silent = declared.steps.length > 1 && recorded.length === 0
      return [
        ...faults,
        ...strange.map(({ step }) => `records a step ${step} that it does not declare`),
        ...(silent ? ['records none of its steps'] : []),
        ...(world.effects() === effects ? [] : ['a step that was done took effect again']),
      ]
    }),
  },
]

type Case = Readonly<{ bench: Bench; name: string; world: CommandWorld; declared: Command }>

function forEachCommand(run: (of: Case) => Promise<readonly string[]>): AdapterCheck['run'] {
  return async (subject) => {
    const faults: string[] = []
    for (const name of await commandNames(subject))
      await onBench(subject, { filled: 1 }, async (bench) => {
        const world = bench.world.commands?.[name]
        const opened = await bench.open(newConsumer())
        const declared = commandOf(opened.session, name)
        await opened.close()
        if (world === undefined) faults.push(`${name}: the world does not know it`)
        else faults.push(...(await run({ bench, name, world, declared })).map((fault) => `${name}: ${fault}`))
      })
    return faults
  }
}

async function commandNames(subject: AdapterSubject): Promise<readonly string[]> {
  return onBench(subject, {}, async (bench) => {
    const opened = await bench.open(newConsumer())
    const names = Object.keys(opened.session.commands ?? {})
    await opened.close()
    return names
  })
}

function commandOf(session: Session, name: string): Command {
  const command = session.commands?.[name]
  if (command === undefined) throw new Error(`The session has no command ${name} any more.`)
  return command
}

function callOf(
  world: CommandWorld,
  attempt: number,
  recorded: { step: string; reference: string }[] = [],
): Call {
  return {
    commandId: 'kit-command-1',
    idempotencyKey: 'kit-key-1',
    attempt,
    notAfter: Number.MAX_SAFE_INTEGER,
    expect: world.expect,
    done: [],
    record: async (step, reference) => void recorded.push({ step, reference }),
    signal: new AbortController().signal,
  }
}

async function refusesChanged(bench: Bench, name: string, world: CommandWorld): Promise<readonly string[]> {
  const opened = await bench.open(newConsumer())
  const outcome = await commandOf(opened.session, name).execute(world.input, callOf(world, 1))
  await opened.close()
  if (world.effects() > 0) return ['it acted on another document than the person saw']
  return outcome.kind === 'rejected' && outcome.code === 'CHANGED_SINCE_SHOWN'
    ? []
    : ['a changed document is not rejected as CHANGED_SINCE_SHOWN']
}

/** Fails each call in turn, and has the command sent the way a dispatcher does. */
function loseEach(subject: AdapterSubject, moment: FaultMoment): Promise<readonly string[]> {
  return commandNames(subject).then(async (names) => {
    const faults: string[] = []
    for (const name of names) {
      for (let at = 1; ; at += 1) {
        const answer = await loseCall(subject, name, { at, moment })
        if (answer === null) break
        faults.push(...answer.map((fault) => `${name}, call ${at}: ${fault}`))
      }
    }
    return faults
  })
}

async function loseCall(
  subject: AdapterSubject,
  name: string,
  plan: FaultPlan,
): Promise<readonly string[] | null> {
  return onBench(subject, { filled: 1 }, async (bench) => {
    const world = bench.world.commands?.[name]
    if (world === undefined) return null
    const sent = await dispatch(bench, name, world, plan)
    if (!sent.fired) return null
    const effects = world.effects()
    const faults = [...sent.faults]
    if (effects > 1) faults.push(`it took effect ${effects} times`)
    if (sent.end === 'applied' && effects === 0) faults.push('it was reported as applied and had no effect')
    if (sent.end === 'rejected') faults.push('a failure was reported as the answer of the ERP')
    return faults
  })
}

type Sent = Readonly<{
  end: 'applied' | 'rejected' | 'human'
  fired: boolean
  faults: readonly string[]
}>

const ATTEMPTS_MAX = 4

/** Silence is looked up; only what declares it may be repeated is sent again by a machine. */
async function dispatch(bench: Bench, name: string, world: CommandWorld, plan: FaultPlan): Promise<Sent> {
  const faults: string[] = []
  const recorded: { step: string; reference: string }[] = []
  let opened = await bench.open(newConsumer(), plan)
  const first = opened
  const reopen = async () => {
    await opened.close()
    opened = await bench.open(newConsumer())
  }
  const ended = async (end: Sent['end']): Promise<Sent> => {
    await opened.close()
    return { end, fired: first.watch.hasFired(), faults }
  }
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt += 1) {
    const call = { ...callOf(world, attempt, recorded), done: [...recorded] }
    try {
      const outcome = await commandOf(opened.session, name).execute(world.input, call)
      return ended(outcome.kind === 'rejected' ? 'rejected' : 'applied')
    } catch (error) {
      faults.push(...illegalError(error, 'the command'))
      await reopen()
      if (!isSilence(error)) continue
      const next = await afterSilence(opened, name, world, call, faults)
      if (next !== 'again') return ended(next)
    }
  }
  return ended('human')
}

async function afterSilence(
  opened: Opened,
  name: string,
  world: CommandWorld,
  call: Call,
  faults: string[],
): Promise<'applied' | 'human' | 'again'> {
  const command = commandOf(opened.session, name)
  const found = await command.lookup?.(world.input, call)
  if (found?.kind === 'applied') return 'applied'
  if (found?.kind === 'absent' && found.final && world.effects() > 0)
    faults.push('look-up called a command absent that had taken effect')
  const mayRepeat = command.repeat !== 'never' || (found?.kind === 'absent' && found.final)
  return mayRepeat ? 'again' : 'human'
}

function isSilence(error: unknown): boolean {
  return error instanceof AdapterError && error.remedy === 'lookup'
}
