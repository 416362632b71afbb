import { expect, test } from 'vitest'
import { erpgw } from './world.ts'

/** Every command with its subcommands, as the help itself lists them. */
async function commands(of: readonly string[] = []): Promise<readonly (readonly string[])[]> {
  const { out } = await erpgw(...of, '--help')
  const [, listed = ''] = out.split('\nCommands:\n')
  const [block = ''] = listed.split('\n\n')
  const names = [...block.matchAll(/^ {2}([a-z]+)/gm)].flatMap(([, name]) => name ?? [])
  const inner = names.filter((name) => name !== 'help').map((name) => [...of, name])
  return [...inner, ...(await Promise.all(inner.map(commands))).flat()]
}

test('has the verbs that it is known for', async () => {
  const names = (await commands()).map((path) => path.join(' ')).sort()
  expect(names).toEqual(
    [
      ...['check', 'decide', 'events', 'explain', 'init', 'pause', 'preview', 'rejects', 'rejects retry'],
      ...['reconcile', 'remap', 'resume', 'resync', 'run', 'status'],
    ].sort(),
  )
})

test('every command has a help with an example that it understands', async () => {
  for (const path of await commands()) {
    const { code, out } = await erpgw(...path, '--help')
    expect(code, path.join(' ')).toBe(0)
    const [, example] = /\nExamples?:\n {2}erpgw (.+)\n/.exec(out) ?? []
    expect(example, path.join(' ')).toBeDefined()
    const words = (example ?? '').match(/"[^"]*"|\S+/g) ?? []
    expect(words.slice(0, path.length)).toEqual(path)
    const typed = await erpgw(...words.map((word) => word.replaceAll('"', '')))
    // There is no config here, and that is all that may be wrong with it.
    if (typed.code !== 0) expect(typed.err, example).toContain('There is no config at')
  }
})

test('tells its exit codes, its version, and what to do first', async () => {
  const { out } = await erpgw('--help')
  expect(out).toMatch(/Exit codes:\n {2}0 .+\n {2}1 .+\n {2}2 .+\n {2}3 .+/)
  expect(out).toContain('erpgw init')
  expect(await erpgw('--version')).toMatchObject({ code: 0, out: '1.2.3\n' })
})

test('a slip in the command line is exit code 2 with what was meant', async () => {
  for (const [argv, meant] of [
    [['statsu'], 'Did you mean status?'],
    [['events', '--folow'], 'Did you mean --follow?'],
    [['events', '-n', '0'], 'a number from 1 to 9999'],
    [['preview', 'k3'], "missing required argument 'feed'"],
    [['resync', 'k3', 'payments'], '--reason'],
    [['run', 'now'], 'too many arguments'],
  ] as const) {
    const { code, err } = await erpgw(...argv)
    expect(code, argv.join(' ')).toBe(2)
    expect(err).toContain(meant)
  }
})

test('init writes a config and the schema that its first line names, and tells what is next', async () => {
  const { code, out, written } = await erpgw('init', 'site/gateway.yaml')
  expect(code).toBe(0)
  expect([...written.keys()]).toEqual(['/nowhere/site/gateway.yaml', '/nowhere/site/config.schema.json'])
  expect(written.get('/nowhere/site/gateway.yaml')).toContain('$schema=./config.schema.json')
  expect(out).toContain('erpgw check')
})

test('init writes where --config says when no path is given', async () => {
  const { written } = await erpgw('init', '--config', 'elsewhere.yaml')
  expect([...written.keys()][0]).toBe('/nowhere/elsewhere.yaml')
})
