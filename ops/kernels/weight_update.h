// One update of all weights of a network by their gradients: SGD with momentum, or AdamW.
//
// Three launches, however many weights there are. Weights are cut into chunks of kUpdateChunk
// elements, and a table says which elements a chunk holds:
//
//   GradientSquares   a block for each chunk: the sum of the squares of its gradients
//   DecideUpdate      one block: their norm; from it the factor of all gradients, and whether the
//                     update is made at all; counts the updates of each weight
//   ApplyUpdate       kBlocksPerChunk blocks for each chunk: the formula, for each element
//
// Nothing is read by the host. The update is left out, and changes no bit, where a gradient is not
// finite or the caller's flag does not allow it.
//
// Formulas are those of configs/solver.proto; the loops of the CPU (training/trainer/solver.cc)
// call the same functions, ApplySgd and ApplyAdamW, and add the squares in the same order: eight
// sums over every eighth element of a chunk, a tree over them, the chunks of a weight in order, and
// then the weights. So norms and updates have the same bits on both, but for the pow of AdamW's
// bias correction, whose last bit may differ on a GPU.

#ifndef RCNN_OPS_KERNELS_WEIGHT_UPDATE_H_
#define RCNN_OPS_KERNELS_WEIGHT_UPDATE_H_

#include <cfloat>
#include <cmath>
#include <cstdint>

#include "rcnn/ops/kernels/kernel.h"

// So that loops that are compiled once per instruction set (base/target_clones.h) inline them.
#define RCNN_UPDATE_FORMULA RCNN_HOST_DEVICE inline __attribute__((always_inline))

namespace rcnn::ops {

// Elements of a chunk. Changing it changes the last bits of norms.
inline constexpr int64_t kUpdateChunk = int64_t{1} << 15;

// What is the same for all weights.
struct WeightUpdateRule {
  bool is_adamw = false;
  // SGD.
  double momentum = 0;
  bool rate_inside = false;  // of the momentum (configs/solver.proto, LR_INSIDE)
  // AdamW.
  double beta1 = 0;
  double beta2 = 0;
  double epsilon = 0;
};

// The factors of one weight. `scale` turns the summed gradient into the clipped mean.
struct SgdStep {
  float scale, decay, momentum, inside, outside;  // rates inside and outside of v
};

struct AdamWStep {
  // gain1 = 1 - beta1 and gain2 = 1 - beta2, rounded once.
  float scale, keep, beta1, gain1, beta2, gain2, rate, second_correction, epsilon;
};

RCNN_HOST_DEVICE inline SgdStep MakeSgdStep(const WeightUpdateRule& rule, double scale, double rate,
                                            double decay) {
  return {static_cast<float>(scale), static_cast<float>(decay), static_cast<float>(rule.momentum),
          rule.rate_inside ? static_cast<float>(rate) : 1.0f,
          rule.rate_inside ? 1.0f : static_cast<float>(rate)};
}

// The t-th update, from 1.
RCNN_HOST_DEVICE inline AdamWStep MakeAdamWStep(const WeightUpdateRule& rule, double scale,
                                                double rate, double decay, double t) {
  return {static_cast<float>(scale),
          static_cast<float>(1 - rate * decay),
          static_cast<float>(rule.beta1),
          static_cast<float>(1 - rule.beta1),
          static_cast<float>(rule.beta2),
          static_cast<float>(1 - rule.beta2),
          static_cast<float>(rate / (1 - std::pow(rule.beta1, t))),
          static_cast<float>(1 / (1 - std::pow(rule.beta2, t))),
          static_cast<float>(rule.epsilon)};
}

// One element: weight w, summed gradient g, moments v, or m and v.
RCNN_UPDATE_FORMULA void ApplySgd(const SgdStep& s, float g, float& w, float& v) {
  const float step = s.inside * (s.scale * g + s.decay * w);
  v = s.momentum * v + step;
  w -= s.outside * v;
}

RCNN_UPDATE_FORMULA void ApplyAdamW(const AdamWStep& s, float g, float& w, float& m, float& v) {
  const float gradient = s.scale * g;
  m = s.beta1 * m + s.gain1 * gradient;
  v = s.beta2 * v + s.gain2 * gradient * gradient;
  w = s.keep * w - s.rate * m / (std::sqrt(v * s.second_correction) + s.epsilon);
}

// A weight that has a gradient. All arrays of one weight have the same order of elements.
struct UpdatedWeight {
  float* weight;
  const float* gradient;
  float* first;      // v of SGD, m of AdamW
  float* second;     // v of AdamW; else null
  int64_t* updates;  // AdamW: how many updates this weight has had; else null
  int64_t count;     // elements
  double rate;
  double decay;
};

// The elements [index * kUpdateChunk, (index + 1) * kUpdateChunk) of a weight that exist. Chunks of
// a weight stand together, in order.
struct UpdateChunk {
  int32_t weight;
  int32_t index;
};

struct UpdateDecision {
  double scale;
  bool applies;
};

// Arrays are in the memory of the device.
struct WeightUpdate {
  WeightUpdateRule rule;
  int64_t batches;  // whose gradients have been summed
  double max_norm;  // of the averaged gradient; 0: no limit
  int64_t num_weights;
  const UpdatedWeight* weights;
  int64_t num_chunks;
  const UpdateChunk* chunks;
  const float* loss_scale;   // by which gradients have been multiplied; null: 1
  const bool* allowed;       // null: yes
  double* squares;           // [num_chunks], scratch
  UpdateDecision* decision;  // scratch
  double* norm;              // of the averaged gradient; 0 if it is not finite
  bool* finite;

  RCNN_HOST_DEVICE int64_t ChunkCount(int64_t chunk) const {
    const int64_t begin = chunks[chunk].index * kUpdateChunk;
    return Lesser(kUpdateChunk, weights[chunks[chunk].weight].count - begin);
  }
};

struct GradientSquares {
  static constexpr int kThreads = 256;
  static constexpr int kLanes = 8;
  static constexpr int64_t kTile = 2048;  // a multiple of kLanes
  struct Shared {
    float tile[kTile];
    double sums[kLanes];
  };
  struct Private {
    double sum;  // of a lane
  };

  int64_t Blocks() const { return update.num_chunks; }
  // Two for each tile: to load it, and to add it.
  RCNN_HOST_DEVICE int64_t Phases(int64_t chunk) const {
    return 2 * CeilDivide(update.ChunkCount(chunk), kTile) + 1;
  }
  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared,
                            Private& values) const {
    const int64_t begin = phase / 2 * kTile;
    const int64_t count = Lesser(kTile, update.ChunkCount(place.block) - begin);
    if (count <= 0) {
      if (place.thread == 0) update.squares[place.block] = Tree(shared.sums);
    } else if (phase % 2 == 0) {
      Load(place, begin, count, shared);
    } else if (place.thread < kLanes) {
      Add(place.thread, begin == 0, count, shared, values);
    }
  }

  RCNN_HOST_DEVICE void Load(const Place& place, int64_t begin, int64_t count,
                             Shared& shared) const {
    const UpdateChunk& chunk = update.chunks[place.block];
    const float* from = update.weights[chunk.weight].gradient + chunk.index * kUpdateChunk + begin;
    for (int64_t i = place.thread; i < count; i += kThreads) shared.tile[i] = from[i];
  }

  // Adds the lane's elements of a tile; the first lane also those after the last whole group.
  RCNN_HOST_DEVICE static void Add(int lane, bool is_first, int64_t count, Shared& shared,
                                   Private& values) {
    if (is_first) values.sum = 0;
    const int64_t whole = count / kLanes * kLanes;
    for (int64_t i = lane; i < whole; i += kLanes) AddSquare(shared.tile[i], &values.sum);
    for (int64_t i = whole; lane == 0 && i < count; ++i) AddSquare(shared.tile[i], &values.sum);
    shared.sums[lane] = values.sum;
  }

  RCNN_HOST_DEVICE static void AddSquare(double value, double* sum) { *sum += value * value; }

  RCNN_HOST_DEVICE static double Tree(const double* sums) {
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) +
           ((sums[4] + sums[5]) + (sums[6] + sums[7]));
  }

  WeightUpdate update;
};

struct DecideUpdate {
  static constexpr int kThreads = 256;
  struct Shared {
    double squares[kThreads];  // of a tile of chunks
    int32_t weights[kThreads];
    bool applies;
  };
  struct Private {
    double total;   // of the weights before this one
    double weight;  // of this one
    int32_t index;  // this one
  };

  int64_t Blocks() const { return 1; }
  RCNN_HOST_DEVICE int64_t Tiles() const { return CeilDivide(update.num_chunks, kThreads); }
  // The start; two for each tile; the decision; the counts.
  RCNN_HOST_DEVICE int64_t Phases(int64_t /*block*/) const { return 1 + 2 * Tiles() + 2; }
  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared,
                            Private& values) const {
    const int64_t begin = (phase - 1) / 2 * kThreads;
    if (phase == 0) {
      values = {0, 0, -1};
    } else if (phase > 2 * Tiles()) {
      if (phase == 2 * Tiles() + 1) {
        if (place.thread == 0) Decide(values.total + values.weight, shared);
      } else {
        CountUpdates(place.thread, shared.applies);
      }
    } else if (phase % 2 == 1) {
      Load(begin + place.thread, place.thread, shared);
    } else if (place.thread == 0) {
      Add(Lesser(int64_t{kThreads}, update.num_chunks - begin), shared, values);
    }
  }

  RCNN_HOST_DEVICE void Load(int64_t chunk, int thread, Shared& shared) const {
    if (chunk >= update.num_chunks) return;
    shared.squares[thread] = update.squares[chunk];
    shared.weights[thread] = update.chunks[chunk].weight;
  }

  RCNN_HOST_DEVICE static void Add(int64_t count, const Shared& shared, Private& values) {
    for (int64_t i = 0; i < count; ++i) {
      if (shared.weights[i] != values.index) {
        values.total += values.weight;
        values.weight = 0;
        values.index = shared.weights[i];
      }
      values.weight += shared.squares[i];
    }
  }

  RCNN_HOST_DEVICE void Decide(double squares, Shared& shared) const {
    const bool finite = squares <= DBL_MAX;  // false for NaN
    double norm = std::sqrt(squares) / static_cast<double>(update.batches);
    double scale = 1.0 / static_cast<double>(update.batches);
    if (update.loss_scale != nullptr) {
      norm /= *update.loss_scale;
      scale /= *update.loss_scale;
    }
    if (update.max_norm > 0 && norm > update.max_norm) scale *= update.max_norm / norm;
    shared.applies = finite && (update.allowed == nullptr || *update.allowed);
    *update.decision = {scale, shared.applies};
    *update.norm = finite ? norm : 0;
    *update.finite = finite;
  }

  RCNN_HOST_DEVICE void CountUpdates(int thread, bool applies) const {
    if (!applies || !update.rule.is_adamw) return;
    for (int64_t i = thread; i < update.num_weights; i += kThreads) ++*update.weights[i].updates;
  }

  WeightUpdate update;
};

struct ApplyUpdate {
  static constexpr int kThreads = 256;
  static constexpr int64_t kBlocksPerChunk = 8;
  static constexpr int64_t kPart = kUpdateChunk / kBlocksPerChunk;
  struct Shared {
    SgdStep sgd;
    AdamWStep adamw;
  };
  using Private = None;

  int64_t Blocks() const { return update.num_chunks * kBlocksPerChunk; }
  RCNN_HOST_DEVICE int64_t Phases(int64_t /*block*/) const {
    return update.decision->applies ? 2 : 0;
  }
  RCNN_HOST_DEVICE void Run(int64_t phase, const Place& place, Shared& shared,
                            None& /*values*/) const {
    const UpdateChunk& chunk = update.chunks[place.block / kBlocksPerChunk];
    const UpdatedWeight& row = update.weights[chunk.weight];
    if (phase == 0) {
      if (place.thread == 0) MakeStep(row, shared);
      return;
    }
    const int64_t begin = chunk.index * kUpdateChunk + place.block % kBlocksPerChunk * kPart;
    const int64_t end = Lesser(begin + kPart, row.count);
    for (int64_t i = begin + place.thread; i < end; i += kThreads) Apply(row, shared, i);
  }

  RCNN_HOST_DEVICE void MakeStep(const UpdatedWeight& row, Shared& shared) const {
    const double scale = update.decision->scale;
    if (update.rule.is_adamw) {
      const auto t = static_cast<double>(*row.updates);
      shared.adamw = MakeAdamWStep(update.rule, scale, row.rate, row.decay, t);
    } else {
      shared.sgd = MakeSgdStep(update.rule, scale, row.rate, row.decay);
    }
  }

  RCNN_HOST_DEVICE void Apply(const UpdatedWeight& row, const Shared& shared, int64_t i) const {
    if (update.rule.is_adamw) {
      ApplyAdamW(shared.adamw, row.gradient[i], row.weight[i], row.first[i], row.second[i]);
    } else {
      ApplySgd(shared.sgd, row.gradient[i], row.weight[i], row.first[i]);
    }
  }

  WeightUpdate update;
};

template <typename Launch>
void RunWeightUpdate(Launch& launch, const WeightUpdate& update) {
  launch(GradientSquares{update});
  launch(DecideUpdate{update});
  launch(ApplyUpdate{update});
}

}  // namespace rcnn::ops

#endif  // RCNN_OPS_KERNELS_WEIGHT_UPDATE_H_
