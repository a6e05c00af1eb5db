// A provider that needs no network: an answer for each question, another one for each repetition.
const SAID = {
  loud: { sea: 'THE SEA IS BLUE.', sky: 'THE SKY IS HIGH.', fail: null },
  soft: { sea: 'The sea is grey, they say.', sky: 'Look up: the sky.', fail: 'nothing went wrong' },
};
const asked = {};

module.exports = class Mock {
  constructor(options) {
    this.name = options.config.voice;
  }

  id() {
    return this.name;
  }

  async callApi(prompt, context) {
    const topic = context.vars.topic;
    const key = `${this.name} ${topic} ${prompt}`;
    const count = (asked[key] = (asked[key] || 0) + 1);
    const said = SAID[this.name][topic];
    if (said === null) {
      return { error: 'the mock provider refuses this one' };
    }
    return {
      output: count > 1 ? `${said} Again.` : said,
      tokenUsage: { total: 9, prompt: 6, completion: 3 },
      cost: 0.001,
      finishReason: 'stop',
    };
  }
};
