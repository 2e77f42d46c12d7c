// llama.cpp as node-llama-cpp ships it, behind the line protocol of `Quire.Benchmarks peers`: a line "run PROMPT OUTPUT SEQUENCES" on
// standard input is answered by "FIRST TOTAL TOKENS" (seconds to the first token of all, seconds to the last, tokens).
// usage: node llamacpp.mjs PACKAGE_FOLDER MODEL.gguf THREADS
import {createInterface} from "node:readline";
import {join} from "node:path";
import {pathToFileURL} from "node:url";

const [folder, file, threadText] = process.argv.slice(2);
const threads = Number(threadText);
const entry = join(folder, "node_modules", "node-llama-cpp", "dist", "index.js");
const {getLlama} = await import(pathToFileURL(entry).href);
const llama = await getLlama({gpu: false, build: "never", maxThreads: threads, logLevel: "error"});
const model = await llama.loadModel({modelPath: file});
const vocabulary = Number(model.fileInfo?.metadata?.llama?.vocab_size ?? 8000);
const randomTokens = count => Array.from({length: count}, () => 100 + Math.floor(Math.random() * (vocabulary - 200)));

async function run(prompt, output, sequences) {
    const perSequence = prompt + output + 16;
    const context = await model.createContext({contextSize: perSequence, batchSize: Math.max(512, sequences), sequences, threads});
    const all = Array.from({length: sequences}, () => [context.getSequence(), randomTokens(prompt)]);
    let first = 0;
    let tokens = 0;
    const start = performance.now();
    await Promise.all(all.map(async ([sequence, ids]) => {
        let mine = 0;
        for await (const _ of sequence.evaluate(ids, {temperature: 0, yieldEogToken: true})) {
            first ||= performance.now();
            tokens++;
            if (++mine >= output) {
                break;
            }
        }
    }));
    const end = performance.now();
    await context.dispose();
    return `${(first - start) / 1e3} ${(end - start) / 1e3} ${tokens}`;
}

console.log("ready");
for await (const line of createInterface({input: process.stdin})) {
    const [command, prompt, output, sequences] = line.split(" ");
    if (command !== "run") {
        break;
    }

    console.log(await run(Number(prompt), Number(output), Number(sequences)));
}

process.exit(0);
