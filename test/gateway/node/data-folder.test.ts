import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { dataFolderProblem, makeDataFolder } from '../../../gateway/node/data-folder.ts'

const folder = mkdtempSync(join(tmpdir(), 'erpgw-data-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the data folder', () => {
  test('is made with all above it, for this user alone, and may be there already', () => {
    const data = join(folder, 'site', 'of', 'data')
    expect(dataFolderProblem(data)).toBeNull()
    expect(makeDataFolder(data)).toBeNull()
    expect(statSync(data).mode & 0o777).toBe(0o700)
    expect(makeDataFolder(data)).toBeNull()
    expect(dataFolderProblem(data)).toBeNull()
  })

  test('below a file is refused, naming the file, before anything is made', () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    for (const data of [join(file, 'x'), join(file, 'x', 'y')]) {
      expect(dataFolderProblem(data)).toContain(`${file} is a file`)
      expect(makeDataFolder(data)).toContain(`${file} is a file`)
    }
    expect(makeDataFolder(file)).toContain('is a file; name another folder')
  })

  test('where the system makes no folders is refused at once', () => {
    const started = performance.now()
    expect(makeDataFolder('/proc/x/y')).toMatch(/^no folder can be made in \/proc: .*name another/)
    expect(performance.now() - started).toBeLessThan(1_000)
  })

  test('that others may look into is refused, with the command that mends it', () => {
    const open = join(folder, 'open')
    mkdirSync(open, { mode: 0o755 })
    expect(makeDataFolder(open)).toContain(`run: chmod 700 '${open}'`)
  })

  test('behind a link that leads nowhere is refused, naming the link', () => {
    const link = join(folder, 'link')
    symlinkSync(join(folder, 'gone'), link)
    expect(makeDataFolder(join(link, 'data'))).toContain(`${link} is a link that leads nowhere`)
  })

  test('with a name that no file system takes is refused', () => {
    expect(makeDataFolder(join(folder, 'x'.repeat(300), 'y'))).toContain('ENAMETOOLONG')
  })
})
