import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { sanitise } from '../sanitise.ts'
import { checkAll } from './check.ts'
import { DEFAULT_CONFIG } from './configuration.ts'
import { type DecideOptions, decide } from './decide.ts'
import { showEvents } from './events.ts'
import { CommandFailure, EXIT } from './failure.ts'
import { writeStarter } from './init.ts'
import { carryOut } from './lane-verbs.ts'
import { explain, preview, showStatus } from './looks.ts'
import { reconcile } from './reconcile.ts'
import { showRejects } from './rejects.ts'
import { run } from './run.ts'
import type { World } from './world.ts'

/** Runs one command line; resolves to the exit code. Prints what goes wrong; throws only what is a bug. */
export async function runCommandLine(world: World): Promise<number> {
  let exitCode: number = EXIT.ok
  const ended = (code: number) => {
    exitCode = code
  }
  try {
    await program(world, ended).parseAsync([...world.argv], { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    if (error instanceof CommandFailure) {
      world.err(`${safeLines(error.message)}\n`)
      return error.exitCode
    }
    world.err(`${safeLines(error instanceof Error ? error.message : String(error))}\n`)
    return EXIT.failed
  }
}

const AFTER_HELP = `
Exit codes:
  0  it worked
  1  something did not: a lane is held or stopped, a check failed, a verb was refused
  2  the command line or the config has mistakes
  3  no gateway runs

First steps:
  erpgw init && erpgw check && erpgw run`

type Ended = (exitCode: number) => void

function program(world: World, ended: Ended): Command {
  const erpgw = new Command('erpgw')
    .description('Gateway between ERPs without a modern API and DingTalk.')
    .version(world.version)
    .option('-c, --config <path>', 'the config: a YAML file, or a folder of them', DEFAULT_CONFIG)
    .exitOverride()
    .configureOutput({ writeOut: world.out, writeErr: world.err })
    .showSuggestionAfterError()
    .addHelpText('after', AFTER_HELP)
  const configOf = () => erpgw.opts<{ config: string }>().config
  addStart(erpgw, world, configOf, ended)
  addLooks(erpgw, world, configOf, ended)
  addLaneVerbs(erpgw, world, configOf)
  addDecisions(erpgw, world, configOf, ended)
  addReconcile(erpgw, world, configOf, ended)
  return erpgw
}

function addStart(erpgw: Command, world: World, configOf: () => string, ended: Ended): void {
  example(
    erpgw
      .command('init')
      .description('write a commented starter config')
      .argument('[path]', 'where to write it; without it, where --config says')
      .action((path?: string) => ended(writeStarter(world, path ?? configOf()))),
    'erpgw init',
  )
  example(
    erpgw
      .command('check')
      .description('check config, mappings, secrets, connections and permissions; changes nothing')
      .action(async () => ended(await checkAll(world, configOf()))),
    'erpgw check --config /etc/erpgw/gateway.yaml',
  )
  example(
    erpgw
      .command('preview')
      .description('show the first records of a feed as canonical events; moves nothing')
      .argument('<source>')
      .argument('<feed>')
      .option('-n, --limit <count>', 'how many records', count, 20)
      .action(async (source: string, feed: string, { limit }: { limit: number }) =>
        ended(await preview(world, configOf(), source, feed, limit)),
      ),
    'erpgw preview k3 purchase-orders -n 5',
  )
  example(
    erpgw
      .command('run')
      .description('run the gateway until it is told to stop')
      .option('--once', 'publish everything that is there, tell people, and end')
      .action(async ({ once }: { once?: boolean }) => ended(await run(world, configOf(), once === true))),
    'erpgw run --once',
  )
}

function addLooks(erpgw: Command, world: World, configOf: () => string, ended: Ended): void {
  example(
    erpgw
      .command('status')
      .description('what every lane of the running gateway does')
      .option('--json', 'as JSON')
      .action(async ({ json }: { json?: boolean }) =>
        ended(await showStatus(world, configOf(), json === true)),
      ),
    'erpgw status',
  )
  addEvents(erpgw, world, configOf, ended)
  example(
    erpgw
      .command('explain')
      .description('show the effective config, with defaults; secrets stay references')
      .action(() => ended(explain(world, configOf()))),
    'erpgw explain',
  )
  addRejects(erpgw, world, configOf, ended)
}

type EventsWords = Readonly<{
  topic?: string
  key?: string
  limit: number
  fromStart?: boolean
  follow?: boolean
  json?: boolean
  positions?: boolean
}>

function addEvents(erpgw: Command, world: World, configOf: () => string, ended: Ended): void {
  example(
    erpgw
      .command('events')
      .description('show events of the log, newest last')
      .option('-t, --topic <topic>', 'one topic; all events otherwise')
      .option('-k, --key <key>', 'one record: its key, or its subject')
      .option('-n, --limit <count>', 'how many', count, 20)
      .addOption(
        new Option('--from-start', 'everything that is there, one partition after the other').conflicts(
          'limit',
        ),
      )
      .option('-f, --follow', 'wait for more')
      .option('--json', 'whole events, one a line')
      .option('--positions', 'the same as {"topic", "partition", "offset", "event"}')
      .action(async (words: EventsWords) =>
        ended(
          await showEvents(world, configOf(), {
            topic: words.topic ?? null,
            key: words.key ?? null,
            limit: words.fromStart === true ? 'all' : words.limit,
            follow: words.follow === true,
            form: words.positions === true ? 'positions' : words.json === true ? 'json' : 'text',
          }),
        ),
      ),
    'erpgw events --topic erp.payment.v1 --follow',
  )
}

function addRejects(erpgw: Command, world: World, configOf: () => string, ended: Ended): void {
  const rejects = example(
    erpgw
      .command('rejects')
      .description('show records that could not be understood, newest last')
      .option('-n, --limit <count>', 'how many', count, 20)
      .option('--open', 'only those that are still open')
      .option('--raw', 'with the raw bytes of the source; what a terminal would obey is shown as \\xNN')
      .action(async ({ limit, open, raw }: { limit: number; open?: boolean; raw?: boolean }) =>
        ended(await showRejects(world, configOf(), { limit, open: open === true, raw: raw === true })),
      ),
    'erpgw rejects --open --raw -n 3',
  ).addHelpText('after', OPEN)
  example(
    rejects
      .command('retry')
      .description(
        'try all rejected records of a lane again, after the mapping was mended and the gateway restarted',
      )
      .argument('<source>')
      .argument('<feed>')
      .action(async (source: string, feed: string) => {
        const value = await carryOut(world, configOf(), { verb: 'retry-rejects', source, feed })
        const result = value as { tried: number; published: number; rejectedAgain: number }
        world.out(
          `${result.tried} tried, ${result.published} published, ${result.rejectedAgain} still rejected\n`,
        )
      }),
    'erpgw rejects retry k3 payments',
  )
}

const OPEN = `
A reject is open until its lane settles it:
  a later version of the record was understood, or turned out to be what was published already;
  the record is gone: reported as deleted, missing from a complete pass (a snapshot, a full file), or not found by
    \`erpgw rejects retry\`;
  the lane began a new lineage.
A later reject of the same record stands in its place. What has no readable key is settled by the next complete pass
without such; where a feed has no passes it stays open for as long as rejects are kept (log.keep.rejects).`

function addLaneVerbs(erpgw: Command, world: World, configOf: () => string): void {
  for (const verb of ['pause', 'resume'] as const) {
    example(
      erpgw
        .command(verb)
        .description(verb === 'pause' ? 'let a source, or one feed, stand still' : 'let it go on')
        .argument('<source>')
        .argument('[feed]')
        .option('--reason <text>', 'why, for the record', 'by hand')
        .action(async (source: string, feed: string | undefined, { reason }: { reason: string }) => {
          const decision = { by: world.user, reason }
          await carryOut(world, configOf(), { verb, source, feed: feed ?? null, decision })
          world.out(`${verb}d\n`)
        }),
      `erpgw ${verb} k3 payments`,
    )
  }
  example(
    erpgw
      .command('remap')
      .description('publish what an edited mapping changes, or accept it quietly')
      .argument('<source>')
      .argument('<feed>')
      .option('--publish', 'read everything again and publish what differs, with origin remap')
      .option('--quiet', 'publish nothing; records take the new mapping when they change')
      .option('--reason <text>', 'why, for the record', 'by hand')
      .action(
        async (
          source: string,
          feed: string,
          options: { publish?: boolean; quiet?: boolean; reason: string },
        ) => {
          if ((options.publish === true) === (options.quiet === true)) {
            throw new CommandFailure('Say either --publish or --quiet.', EXIT.usage)
          }
          const mode = options.publish === true ? 'publish' : 'quiet'
          const decision = { by: world.user, reason: options.reason }
          const value = await carryOut(world, configOf(), { verb: 'remap', source, feed, mode, decision })
          const { readsAgain } = value as { readsAgain: boolean }
          world.out(`${mode === 'quiet' ? 'accepted' : remapAnswer(readsAgain)}\n`)
        },
      ),
    'erpgw remap k3 purchase-orders --publish',
  )
}

function addReconcile(erpgw: Command, world: World, configOf: () => string, ended: Ended): void {
  example(
    erpgw
      .command('reconcile')
      .description('compare a source with the log, by sums first, and say what differs; --heal publishes it')
      .argument('<source>')
      .argument('[feed]')
      .option('--heal', 'publish what differs, each after a fresh read, with origin sweep')
      .option('--beyond-fuse', 'also where more would change or go than the fuses let through')
      .option('--reason <text>', 'why, for the record', 'by hand')
      .option('--json', 'the statements as JSON, one a line')
      .action(
        async (
          source: string,
          feed: string | undefined,
          options: { heal?: boolean; beyondFuse?: boolean; reason: string; json?: boolean },
        ) =>
          ended(
            await reconcile(world, configOf(), source, feed ?? null, {
              heal: options.heal === true,
              beyondFuse: options.beyondFuse === true,
              reason: options.reason,
              json: options.json === true,
            }),
          ),
      ),
    'erpgw reconcile k3 stock --heal',
  )
}

function remapAnswer(readsAgain: boolean): string {
  return readsAgain
    ? 'the remap begins with the next run'
    : 'accepted; this source hands over each record once, so a record takes the new mapping when it is delivered again'
}

function addDecisions(erpgw: Command, world: World, configOf: () => string, ended: Ended): void {
  example(
    erpgw
      .command('resync')
      .description('read a feed again from its start and publish what differs from the log')
      .argument('<source>')
      .argument('<feed>')
      .requiredOption('--reason <text>', 'why, for the record')
      .option('--new-lineage', 'begin every record at revision 1 again, for consumers that start over')
      .action(async (source: string, feed: string, options: { reason: string; newLineage?: boolean }) => {
        const decision = { by: world.user, reason: options.reason }
        const newLineage = options.newLineage === true
        await carryOut(world, configOf(), { verb: 'resync', source, feed, newLineage, decision })
        world.out('the resync begins with the next run\n')
      }),
    'erpgw resync k3 payments --reason "backup of 2 March restored"',
  )
  example(
    erpgw
      .command('decide')
      .description(
        'show what holds a lane, or answer it: a blown fuse, another system, another shape, too many rejects',
      )
      .argument('<source>')
      .argument('<feed>')
      .option('--allow', 'accept what was seen and go on')
      .option('--refuse', 'leave the lane held, on the record')
      .option('--reason <text>', 'why, for the record')
      .action(async (source: string, feed: string, options: DecideOptions) =>
        ended(await decide(world, configOf(), source, feed, options)),
      ),
    'erpgw decide k3 stock --allow --reason "warehouse 7 was closed"',
  )
}

function example(command: Command, line: string): Command {
  return command.addHelpText('after', `\nExample:\n  ${line}`)
}

function count(text: string): number {
  if (!/^[1-9][0-9]{0,3}$/.test(text)) throw new InvalidArgumentError('It must be a number from 1 to 9999.')
  return Number(text)
}

function safeLines(text: string): string {
  return text.split('\n').map(sanitise).join('\n')
}
