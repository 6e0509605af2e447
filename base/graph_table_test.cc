#include "rcnn/base/graph_table.h"

#include <ATen/ATen.h>

#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rcnn/base/autocast_scope.h"

namespace rcnn {
namespace {

TEST(MakeGraphKeyTest, TellsShapesTypesFormatsAndNumbersApart) {
  const at::Tensor x = at::zeros({2, 3, 4, 5});
  const std::vector<std::vector<at::Tensor>> inputs = {
      {x},
      {at::zeros({2, 3, 5, 4})},
      {at::zeros({2, 3, 20})},
      {x.to(at::kDouble)},
      {x.contiguous(at::MemoryFormat::ChannelsLast)},
      {x, x},
      {x, at::zeros({2, 3, 5, 4})},
      {at::zeros({2, 3, 5, 4}), x}};
  for (size_t a = 0; a < inputs.size(); ++a) {
    for (size_t b = 0; b < inputs.size(); ++b) {
      EXPECT_EQ(MakeGraphKey(inputs[a]) == MakeGraphKey(inputs[b]), a == b) << a << " " << b;
    }
  }
}

TEST(MakeGraphKeyTest, TellsAutocastApart) {
  const std::vector<at::Tensor> inputs = {at::zeros({3})};
  const GraphKey plain = MakeGraphKey(inputs);
  {
    const AutocastScope scope(c10::DeviceType::CPU, at::kBFloat16);
    EXPECT_NE(MakeGraphKey(inputs), plain);
  }
  EXPECT_EQ(MakeGraphKey(inputs), plain);
}

// A graph is its number.
using Table = GraphTable<int, bool>;

TEST(GraphTableTest, FindsWhatWasAdded) {
  Table table({2});
  EXPECT_EQ(table.Find({1}), nullptr);
  EXPECT_TRUE(table.MakeRoom());
  EXPECT_EQ(*table.Add({1}, 10), 10);
  EXPECT_EQ(*table.Find({1}), 10);
  EXPECT_EQ(table.Find({2}), nullptr);
  EXPECT_EQ(table.size(), 1);
  table.Clear();
  EXPECT_EQ(table.Find({1}), nullptr);
}

TEST(GraphTableTest, HasNoRoomWithoutGraphs) { EXPECT_FALSE(Table({0}).MakeRoom()); }

// Calls are counted by Find.
TEST(GraphTableTest, MakesRoomWhereTheLeastUsedGraphIsIdle) {
  Table table({/*max_graphs=*/2, /*idle_calls=*/3});
  for (const int64_t shape : {1, 2}) {
    table.Find({shape});
    table.Add({shape}, static_cast<int>(shape));
  }
  table.Find({1});  // so that 2 is the one that was used longest ago, in call 2
  for (int call = 4; call <= 5; ++call) {
    table.Find({3});
    EXPECT_FALSE(table.MakeRoom()) << call;
  }
  table.Find({3});
  EXPECT_TRUE(table.MakeRoom());
  EXPECT_EQ(table.size(), 1);
  EXPECT_NE(table.Find({1}), nullptr);
  EXPECT_EQ(table.Find({2}), nullptr);
}

TEST(GraphTableTest, NotesOfShapesAreKept) {
  GraphTable<int, std::shared_ptr<int>> table({1});
  EXPECT_EQ(table.Visit({1}), nullptr);
  table.Visit({1}) = std::make_shared<int>(7);
  EXPECT_EQ(table.Visit({2}), nullptr);
  table.Add({1}, 0);
  table.Clear();
  ASSERT_NE(table.Visit({1}), nullptr);
  EXPECT_EQ(*table.Visit({1}), 7);
}

// 64, and two for each graph.
TEST(GraphTableTest, ShapesThatCameLongAgoAreForgotten) {
  Table table({1});
  for (int64_t shape = 0; shape < 66; ++shape) {
    EXPECT_FALSE(std::exchange(table.Visit({shape}), true)) << shape;
  }
  EXPECT_TRUE(table.Visit({0}));  // now the last
  EXPECT_FALSE(table.Visit({66}));
  EXPECT_TRUE(table.Visit({0}));
  EXPECT_FALSE(table.Visit({1})) << "66 others have come since";
}

}  // namespace
}  // namespace rcnn
