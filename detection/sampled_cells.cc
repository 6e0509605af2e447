#include "rcnn/detection/sampled_cells.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <utility>

#include "rcnn/base/counted.h"

namespace rcnn::detection {
namespace {

// One level of all images, and which row belongs to each of its cells.
struct Level {
  int64_t cells;   // of an image
  int64_t before;  // cells of an image in earlier levels
  std::vector<int64_t> rows;
};

constexpr int64_t kUnmarked = -1;

class CellRows {
 public:
  CellRows(const std::vector<at::Tensor>& maps, int64_t anchors_per_cell)
      : anchors_per_cell_(anchors_per_cell), images_(maps.empty() ? 0 : maps.front().size(0)) {
    for (const at::Tensor& map : maps) {
      TORCH_CHECK(map.size(0) == images_, "maps of ", Counted(images_, "image"), " and of ",
                  map.size(0), " in one batch");
      const int64_t cells = map.size(2) * map.size(3);
      levels_.push_back({cells, cells_of_image_,
                         std::vector<int64_t>(static_cast<size_t>(images_ * cells), kUnmarked)});
      cells_of_image_ += cells;
    }
  }

  // Anchors of the whole batch.
  int64_t num_anchors() const { return images_ * cells_of_image_ * anchors_per_cell_; }

  // The row of the cell of anchor b N + n, which must be in the batch.
  int64_t& SampleRow(int64_t anchor) {
    const int64_t place = anchor / anchors_per_cell_;
    const int64_t image = place / cells_of_image_, cell = place % cells_of_image_;
    size_t l = 0;
    while (cell >= levels_[l].before + levels_[l].cells) ++l;
    Level& level = levels_[l];
    return level.rows[static_cast<size_t>(image * level.cells + cell - level.before)];
  }

  // Numbers the cells that are marked, level after level, and returns those of each.
  std::vector<at::Tensor> Number() {
    std::vector<at::Tensor> cells;
    int64_t next = 0;
    for (Level& level : levels_) {
      const auto marked = [](int64_t row) { return row != kUnmarked; };
      at::Tensor of_level =
          at::empty({std::count_if(level.rows.begin(), level.rows.end(), marked)}, at::kLong);
      int64_t* out = of_level.data_ptr<int64_t>();
      for (size_t cell = 0; cell < level.rows.size(); ++cell) {
        if (!marked(level.rows[cell])) continue;
        level.rows[cell] = next++;
        *out++ = static_cast<int64_t>(cell);
      }
      cells.push_back(std::move(of_level));
    }
    return cells;
  }

 private:
  int64_t anchors_per_cell_, images_;
  int64_t cells_of_image_ = 0;
  std::vector<Level> levels_;
};

template <typename Function>
void ForEach(const at::Tensor& anchors, const Function& function) {
  const at::Tensor in_order = anchors.contiguous();
  const int64_t* data = in_order.data_ptr<int64_t>();
  std::for_each(data, data + in_order.size(0), function);
}

}  // namespace

SampledCells FindSampledCells(const std::vector<at::Tensor>& maps, int64_t anchors_per_cell,
                              const std::vector<at::Tensor>& anchors) {
  CellRows rows(maps, anchors_per_cell);
  for (const at::Tensor& some : anchors) {
    ForEach(some, [&](int64_t anchor) {
      TORCH_CHECK(anchor >= 0 && anchor < rows.num_anchors(), "anchor ", anchor,
                  " of a batch with ", rows.num_anchors());
      rows.SampleRow(anchor) = 0;
    });
  }
  SampledCells sampled;
  sampled.cells = rows.Number();
  for (const at::Tensor& some : anchors) {
    at::Tensor renumbered = at::empty(some.sizes(), at::kLong);
    int64_t* out = renumbered.data_ptr<int64_t>();
    ForEach(some, [&](int64_t anchor) {
      *out++ = rows.SampleRow(anchor) * anchors_per_cell + anchor % anchors_per_cell;
    });
    sampled.anchors.push_back(std::move(renumbered));
  }
  return sampled;
}

}  // namespace rcnn::detection
