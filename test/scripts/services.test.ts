import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'
import { dockerWay } from '../../scripts/services/docker.ts'
import { type GuardedProgram, type GuardSpec, guard } from '../../scripts/services/guard.ts'
import { run } from '../../scripts/services/run.ts'
import { CannotOpen, createServices, type ServiceOptions, type Way } from '../../scripts/services.ts'

describe('services', () => {
  test('takes the address in the environment before anything is tried', async () => {
    const services = servicesWith([refuses('docker')], { ERPGW_TEST_POSTGRES_URL: 'postgres://there' })
    expect(await services.ask('postgres')).toEqual({
      kind: 'granted',
      url: 'postgres://there',
      way: 'ERPGW_TEST_POSTGRES_URL',
    })
  })

  test('falls to the next way where one fails', async () => {
    const services = servicesWith([refuses('docker'), opens('package'), opens('never reached')])
    expect(await services.ask('postgres')).toEqual({ kind: 'granted', url: 'package', way: 'package' })
  })

  test('starts a service once, at the first call, and stops it at the end', async () => {
    const seen: string[] = []
    const way: Way = {
      name: 'package',
      open: async () => {
        seen.push('open')
        return { url: 'here', stop: async () => void seen.push('stop') }
      },
    }
    const services = servicesWith([way])
    expect(seen).toEqual([])
    await Promise.all([services.ask('postgres'), services.ask('postgres')])
    await services.stop()
    expect(seen).toEqual(['open', 'stop'])
  })

  test('names every reason where no way works', async () => {
    const answer = await servicesWith([refuses('docker'), refuses('package')]).ask('postgres')
    expect(answer).toMatchObject({ kind: 'refused', mustHave: false })
    expect(answer).toHaveProperty(
      'reason',
      expect.stringMatching(/TEST_POSTGRES_URL.*docker: no.*package: no/),
    )
  })

  test('insists in CI on what could have been installed, and on nothing else', async () => {
    const installable = [refuses('docker'), refuses('package', true)]
    expect(await servicesWith(installable, { CI: 'true' }).ask('postgres')).toHaveProperty('mustHave', true)
    expect(await servicesWith(installable, {}).ask('postgres')).toHaveProperty('mustHave', false)
    const impossible = servicesWith([refuses('docker')], { CI: 'true' })
    expect(await impossible.ask('postgres')).toHaveProperty('mustHave', false)
  })
})

describe('a guarded program', () => {
  const guardModule = fileURLToPath(new URL('../../scripts/services/guard.ts', import.meta.url))

  test('ends with its guardian, and leaves nothing behind', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'erpgw-guard-'))
    const guarded = guard(specOf(folder))
    await guarded.stop()
    expect(existsSync(folder)).toBe(false)
  })

  test('that is killed on purpose leaves what it wrote', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'erpgw-guard-'))
    const guarded = guard(specOf(folder))
    guarded.signal('SIGKILL')
    await guarded.ended
    expect(existsSync(folder)).toBe(true)
    await guard(specOf(folder)).stop()
    expect(existsSync(folder)).toBe(false)
  })

  test('ends when the process that started it is killed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'erpgw-guard-'))
    const parent = spawn(process.execPath, [
      ...['--input-type=module', '--eval'],
      `import { guard } from ${JSON.stringify(guardModule)}
       guard(${JSON.stringify(specOf(folder))})
       console.log('started')
       setInterval(() => undefined, 1000)`,
    ])
    await firstOutput(parent)
    parent.kill('SIGKILL')
    const deadline = performance.now() + 15_000
    while (existsSync(folder) && performance.now() < deadline) await sleep(20)
    expect(existsSync(folder)).toBe(false)
  })

  test('tells the last of what it printed when it ends by itself', async () => {
    const ending = ['--eval', 'console.error("port in use"); process.exit(1)']
    expect(await guard({ ...specOf(null), program: { ...STUBBORN, args: ending } }).ended).toBe('port in use')
    const absent = guard({ ...specOf(null), program: { ...STUBBORN, command: '/nowhere/to/be/found' } })
    expect(await absent.ended).toContain('/nowhere/to/be/found could not be started')
  })

  function specOf(folder: string | null): GuardSpec {
    return { program: STUBBORN, afterwards: [], remove: folder === null ? [] : [folder] }
  }
})

describe('docker', () => {
  const path = process.env['PATH']
  afterEach(() => {
    process.env['PATH'] = path
  })

  test('gives the loopback port that it published, and takes the container down afterwards', async () => {
    const calls = fakeDocker("if (args.includes('port')) console.log('127.0.0.1:49153')")
    const opened = await dockerWay('postgres', 5432, (address) => `postgres://${address}`).open()
    expect(opened.url).toBe('postgres://127.0.0.1:49153')
    await opened.stop()
    const [info, up, port, down] = calls()
    expect(info).toMatch(/^info/)
    expect(up).toMatch(/compose\.test\.yaml .*up --detach --wait postgres$/)
    expect(port).toMatch(/port postgres 5432$/)
    expect(down).toMatch(/down --volumes/)
    const project = /--project-name \S+/
    expect(project.exec(down ?? '')?.[0]).toBe(project.exec(up ?? '')?.[0])
  })

  test('is not there where its daemon does not answer', async () => {
    fakeDocker("if (args[0] === 'info') { console.error('Cannot connect'); process.exit(1) }")
    await expect(dockerWay('postgres', 5432, String).open()).rejects.toThrow('Cannot connect')
  })

  test('takes down what did not become healthy, and says why', async () => {
    const calls = fakeDocker("if (args.includes('up')) { console.error('no such image'); process.exit(1) }")
    await expect(dockerWay('postgres', 5432, String).open()).rejects.toThrow('no such image')
    expect(calls().at(-1)).toMatch(/down --volumes/)
  })

  /** Puts a program named docker first in PATH; returns what it has been called with. */
  function fakeDocker(script: string): () => readonly string[] {
    const folder = mkdtempSync(join(tmpdir(), 'erpgw-docker-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const calls = join(folder, 'calls')
    const text = `#!${process.execPath}
      const args = process.argv.slice(2)
      require('node:fs').appendFileSync(${JSON.stringify(calls)}, args.join(' ') + '\\n')
      ${script}`
    writeFileSync(join(folder, 'docker'), text, { mode: 0o700 })
    process.env['PATH'] = `${folder}${delimiter}${path}`
    return () => readFileSync(calls, 'utf8').trim().split('\n')
  }
})

test('a program that hangs is ended, and the answer says so', async () => {
  const hung = await run(process.execPath, ['--eval', 'setInterval(() => undefined, 1000)'], {
    timeoutMs: 300,
  })
  expect(hung).toMatchObject({ ok: false, reason: expect.stringContaining('no end within 0.3 s') })
})

/** It ignores the polite signal, so that the guardian has to kill it. */
const STUBBORN: GuardedProgram = {
  command: process.execPath,
  args: ['--eval', "process.on('SIGTERM', () => undefined); setInterval(() => undefined, 1000)"],
  account: null,
  signal: 'SIGTERM',
  graceMs: 200,
}

function servicesWith(ways: readonly Way[], environment: ServiceOptions['environment'] = {}) {
  const all = {
    ...{ postgres: ways, mariadb: ways, kafka: ways, 'kafka-jars': ways },
    ...{ chromium: ways, sqlserver: ways },
  }
  return createServices({ environment, report: () => undefined, ways: all })
}

function opens(name: string): Way {
  return { name, open: async () => ({ url: name, stop: async () => undefined }) }
}

function refuses(name: string, couldInstall = false): Way {
  return { name, open: () => Promise.reject(new CannotOpen('no', couldInstall)) }
}

function firstOutput(program: ChildProcess): Promise<unknown> {
  return new Promise((resolve) => program.stdout?.once('data', resolve))
}
