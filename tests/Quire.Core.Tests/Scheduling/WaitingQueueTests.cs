using System.Collections.Generic;
using Quire.Core.Foundation;
using Quire.Core.Requests;
using Quire.Core.Scheduling;

namespace Quire.Core.Tests.Scheduling;

public class WaitingQueueTests
{
    [Theory]
    [InlineData(SchedulingPolicy.Fcfs)]
    [InlineData(SchedulingPolicy.Priority)]
    public void It_behaves_like_a_list_that_is_kept_in_order(SchedulingPolicy policy)
    {
        for (ulong seed = 0; seed < 20; seed++)
        {
            var queue = new WaitingQueue(policy);
            var model = new List<RequestState>();
            var outside = new List<RequestState>();
            for (int i = 0; i < 40; i++)
                outside.Add(Request(i, (int)(Philox.Generate(seed, 1, (ulong)i).X0 % 4)));
            for (ulong i = 0; i < 400; i++)
            {
                // Long phases of growing and of shrinking; the head is taken as often as anybody else.
                Philox.Block draw = Philox.Generate(seed, 0, i);
                bool growing = i / 60 % 2 == 0;
                if (draw.X0 % 4 != 0 == growing && outside.Count > 0)
                {
                    RequestState request = outside[(int)(draw.X1 % (uint)outside.Count)];
                    outside.Remove(request);
                    bool front = draw.X2 % 2 == 0;
                    if (front)
                        queue.Prepend(request);
                    else
                        queue.Append(request);
                    model.Insert(front ? 0 : model.Count, request);
                }
                else if (model.Count > 0)
                {
                    RequestState request = model[draw.X2 % 2 == 0 ? 0 : (int)(draw.X1 % (uint)model.Count)];
                    queue.Remove(request);
                    model.Remove(request);
                    outside.Add(request);
                }

                if (policy == SchedulingPolicy.Priority)
                    model.Sort((a, b) => (a.Spec.Priority, a.Arrival).CompareTo((b.Spec.Priority, b.Arrival)));
                var content = new List<RequestState>();
                queue.CopyTo(content);
                Assert.Equal(model, content);
                Assert.Equal(model.Count, queue.Count);
                Assert.Same(model.Count > 0 ? model[0] : null, queue.Head);
            }
        }
    }

    [Theory]
    [InlineData(SchedulingPolicy.Fcfs)]
    [InlineData(SchedulingPolicy.Priority)]
    public void Requests_that_were_passed_over_come_back_to_the_front_in_order(SchedulingPolicy policy)
    {
        var line = new WaitingLine(policy);
        RequestState[] requests = [Request(0, 0), Request(1, 0), Request(2, 0), Request(3, 0)];
        foreach (RequestState request in requests)
            line.Join(request);
        line.PassOver(requests[0]);
        line.PassOver(requests[1]);
        Assert.Same(requests[2], line.Head);
        Assert.Equal(4, line.Count);
        line.EndOfTurn();
        line.PassOver(requests[0]);
        line.EndOfTurn();
        var content = new List<RequestState>();
        line.CopyTo(content);
        Assert.Equal(requests, content);
    }

    [Fact]
    public void A_request_waits_in_one_queue_at_a_time()
    {
        var queue = new WaitingQueue(SchedulingPolicy.Fcfs);
        RequestState request = Request(0, 0);
        Assert.Throws<InvariantException>(() => queue.Remove(request));
        queue.Append(request);
        Assert.Throws<InvariantException>(() => new WaitingQueue(SchedulingPolicy.Fcfs).Append(request));
    }

    private static RequestState Request(int id, int priority) =>
        new(new RequestSpec { Id = new RequestId(id), PromptTokenIds = [1], MaxTokens = 1, Priority = priority }, id, null);
}
