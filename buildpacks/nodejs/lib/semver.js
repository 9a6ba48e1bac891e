// Answers questions about ranges with the semver that npm brings along.
//   node semver.js satisfies VERSION RANGE     exits 0 or 1
//   node semver.js choose RANGE                prints the newest of the versions on stdin (a JSON list, or what the panel offers)
//   node semver.js valid RANGE                 exits 0 or 1
//   node semver.js npm-needs                   prints the range of Node that this npm runs on
//   node semver.js majors                      prints the newest of each major version on stdin
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

const npm = fs.realpathSync(execFileSync("sh", ["-c", "command -v npm"], { encoding: "utf8" }).trim());
const semver = require(require.resolve("semver", { paths: [path.dirname(npm)] }));

const offered = () => {
  const said = JSON.parse(fs.readFileSync(0, "utf8"));
  return [said.versions ?? said].flat();
};
const end = (answer) => process.exit(answer ? 0 : 1);

const questions = {
  satisfies: (version, range) => end(semver.satisfies(version, range)),
  valid: (range) => end(semver.validRange(range) !== null),
  choose: (range) => {
    const version = semver.maxSatisfying(offered(), range);
    if (version) console.log(version);
    end(version);
  },
  "npm-needs": () => console.log(require(path.join(npm, "../../package.json")).engines.node),
  majors: () => {
    const newest = new Map();
    for (const version of semver.sort(offered())) {
      if (!semver.prerelease(version)) newest.set(semver.major(version), version);
    }
    console.log([...newest.values()].reverse().slice(0, 8).join(", "));
  },
};

const [question, ...words] = process.argv.slice(2);
questions[question](...words);
