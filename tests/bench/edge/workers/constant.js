// The least that a worker can do: the same answer to everybody.

const BODY = '{"offers":{"Default":{"attributes":{"page_views_24h":1},"batch_segments":[]}}}';

export default {
  async fetch(request) {
    await request.arrayBuffer();
    return new Response(BODY, { headers: { "content-type": "application/json" } });
  },
};
